#!lua flags=allow-oom
-- release: the attempt ends, its task does not. A retry spends a failure; a hand-back and an approval spend nothing.
-- With the cancel mark set the task ends here instead, keeping the partial output.
-- ARGV 2 attempt, 3 fence, 4 the id it continues from, 5 to status, 6 failure 0|1, 7 delay ms, 8 event type, 9 event,
-- 10 input tokens, 11 output tokens, 12 `estimated|cached|reasoning`, 13 partial output, 14 approval id, 15 approval, 16 expires at,
-- 17 on_expiry, 18 first check ms, 19 why it waits ('' otherwise), 20 count, then id, type, data …
local fence, to = ARGV[3], ARGV[5]
if field('released_by') == fence then return { 'released', number('due_at') } end
if field('ended_by') == fence then return { 'ended' } end
local record = redis.call('HMGET', task, 'status', 'attempt', 'fence', 'last_id')
if not owns(record, ARGV[2], fence) then return { 'superseded' } end
-- Lost text (a failover) does not stop a release: the attempt is over anyway, and readers are told of the discard. Some
-- may have seen what was lost, up to the last id the runner used.
local count = tonumber(ARGV[20])
local lost
if not write_entries(record[4], ARGV[4], 21, count) then lost = count > 0 and ARGV[18 + 3 * count] or ARGV[4] end

stop_clock(now)
add_usage(ARGV[10], ARGV[11], ARGV[12])
if field('cancel_requested_at') then
  close('cancelled', fence, ARGV[13], '')
  return { 'ended' }
end
-- What a cancelled task has said stands, and so does what was said before a person was asked.
if to ~= 'input_required' and ARGV[10] ~= '' then
  redis.call('HINCRBY', task, 'wasted_tokens', ARGV[10] + ARGV[11])
end

redis.call('HINCRBY', task, 'failures', ARGV[6])
local due_at = now + ARGV[7]
if to == 'input_required' then
  due_at = tonumber(ARGV[16])
  redis.call('HSET', task, 'approval_id', ARGV[14], 'approval', ARGV[15], 'approval_expires_at', ARGV[16],
    'on_expiry', ARGV[17], 'input_required_at', now, 'kept_attempt', ARGV[2])
  if ARGV[13] ~= '' then redis.call('HSET', task, 'partial', ARGV[13]) end
else
  redis.call('HSET', task, 'queued_at', now)
end
-- What it needs is away: since when, and how often it has waited for it, is known until it ends in any other way.
if ARGV[19] ~= '' then
  redis.call('HSETNX', task, 'away_since', now)
  redis.call('HINCRBY', task, 'waits', 1)
  redis.call('HSET', task, 'waiting', ARGV[19])
  count_again()
else
  redis.call('HDEL', task, 'away_since', 'waits')
end
redis.call('HSET', task, 'released_by', fence, 'due_at', due_at)
emit(ARGV[8], ARGV[9], lost)
move(to)
check_by(due_at + ARGV[18])
return { 'released', due_at }
