#!lua flags=allow-oom
-- answer: a person's answer to an approval, once, in time, and to the one that is asked now. The task is queued again.
-- ARGV 2 approval id, 3 nonce, 4 answer, 5 resumed event, 6 first check ms.
local status = field('status')
if not status then return { 'unknown' } end
if field('answered_by') == ARGV[3] then return { 'answered' } end
if status ~= 'input_required' or field('approval_id') ~= ARGV[2] or number('approval_expires_at') <= now then
  return { 'conflict', status }
end
redis.call('HSET', task, 'answered_by', ARGV[3], 'due_at', now, 'queued_at', now)
note_answer(ARGV[4])
redis.call('HDEL', task, 'approval_id')
emit('resumed', ARGV[5])
move('queued')
check_by(now + ARGV[6])
return { 'answered' }
