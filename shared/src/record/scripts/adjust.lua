#!lua flags=allow-oom
-- adjust: a queued task waits without an attempt. It may start later than it might have, its rank may change, and its
-- readers are told why it waits, once for each reason. Nothing is discarded. A task that has run before counts in its
-- queue's limits again while it waits. One that was woken since it was asked whether it may run is asked again at once.
-- ARGV 2 nonce, 3 due at, 4 rank ('' as it is), 5 reason, 6 waiting event, 7 first check ms.
local record = redis.call('HMGET', task, 'status', 'adjusted_by', 'due_at', 'waiting', 'woken')
local status = record[1]
if not status or ENDED[status] then return { 'ended' } end
if record[2] == ARGV[2] then return { 'adjusted', tonumber(record[3]) } end
if status ~= 'queued' then return { 'superseded' } end
if record[5] == ARGV[5] then
  redis.call('HDEL', task, 'woken')
  redis.call('HSET', task, 'adjusted_by', ARGV[2])
  return { 'adjusted', tonumber(record[3]) }
end

local due_at = math.max(tonumber(record[3]), tonumber(ARGV[3]))
redis.call('HSET', task, 'adjusted_by', ARGV[2], 'due_at', due_at, 'waiting', ARGV[5])
if ARGV[4] ~= '' then redis.call('HSET', task, 'rank', ARGV[4]) end
count_again()
if record[4] ~= ARGV[5] then emit('waiting', ARGV[6]) end
check_by(due_at + ARGV[7])
return { 'adjusted', due_at }
