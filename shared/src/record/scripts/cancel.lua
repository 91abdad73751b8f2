#!lua flags=allow-oom
-- cancel: a task that no attempt runs ends here; a running one gets the mark, which its runner learns of at once by
-- the hint and at the latest with its next append. With `withdraw` a task that never started leaves no trace: its
-- submit was answered 503.
-- KEYS 7 input, 8 owner index, 9 inbox. ARGV 2 nonce, 3 grace ms, 4 withdraw 0|1, 5 the approval it answers ('' none), 6 the answer.
local status = field('status')
local withdraw = ARGV[4] == '1'

if withdraw and (not status or field('attempt') == '0' and not ENDED[status]) then
  if status then
    uncount()
    redis.call('ZREM', open, task_id)
    redis.call('ZREM', KEYS[8], task_id)
    redis.call('UNLINK', task, log, KEYS[9])
  end
  -- Without its input a create that is still on its way refuses.
  redis.call('UNLINK', KEYS[7])
  return { 'withdrawn' }
end

if not status then return { 'unknown' } end
if field('cancel_by') == ARGV[2] then
  if ENDED[status] and field('ended_by') == ARGV[2] then return { 'cancelled', number('cancel_requested_at') } end
  if status == 'in_progress' then return { 'requested', number('cancel_requested_at') } end
end
if ENDED[status] then return { 'ended' } end
if ARGV[5] ~= '' then
  if status ~= 'input_required' or field('approval_id') ~= ARGV[5] or number('approval_expires_at') <= now then
    return { 'conflict' }
  end
  note_answer(ARGV[6])
end

if redis.call('HSETNX', task, 'cancel_requested_at', now) == 1 then
  redis.call('HSET', task, 'cancel_by', ARGV[2])
end
if status == 'in_progress' then
  check_by(number('cancel_requested_at') + ARGV[3])
  return { 'requested', number('cancel_requested_at') }
end
close('cancelled', ARGV[2], '', '')
return { 'cancelled', now }
