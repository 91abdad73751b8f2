#!lua
-- begin: the only judge of attempts. First match of: ended · newer · marked cancelled · early · start_by passed ·
-- queued · input_required · in_progress (the last attempt was lost).
-- ARGV 2 fence, 3 started event, 4 record version, 5 job-type version, 6 may restart, 7 retrying event of a lost
-- attempt, 8 error of a lost task, 9 the answer that stands for an expired approval, without the approval's id, 10 how
-- long an input may be to come along. KEYS 7 input.
local fence = ARGV[2]
local record = redis.call('HMGET', task, 'status', 'v', 'type_version', 'fence', 'cancel_requested_at', 'due_at',
  'attempt', 'start_by')
local status = record[1]

if not status or ENDED[status] then return { 'ended' } end
if tonumber(record[2]) > tonumber(ARGV[4]) or tonumber(record[3]) > tonumber(ARGV[5]) then
  return { 'newer', now + 5000 }
end

local function started()
  local names = { 'attempt', 'last_id', 'failures', 'max_attempts', 'timeout_ms', 'request_id', 'traceparent',
    'owner', 'marks', 'patience_ms', 'away_since', 'waits', 'kept_attempt', 'messages', 'steers',
    'partial' }
  local fits = redis.call('STRLEN', KEYS[7]) <= tonumber(ARGV[10])
  local answer = { 'start', fits and redis.call('GET', KEYS[7]) or '' }
  for _, value in ipairs(redis.call('HMGET', task, unpack(names))) do answer[#answer + 1] = value or '' end
  return answer
end

local function start()
  uncount()
  redis.call('HINCRBY', task, 'attempt', 1)
  redis.call('HSETNX', task, 'started_at', now)
  redis.call('HSET', task, 'fence', fence, 'attempt_started_at', now)
  redis.call('HDEL', task, 'progress', 'waiting', 'woken')
  move('in_progress')
  emit('started', ARGV[3])
  return started()
end

if status == 'in_progress' and record[4] == fence then return started() end

if record[5] then
  stop_clock(number('last_at'))
  close('cancelled', 'begin', '', '')
  return { 'ended' }
end

if status == 'queued' then
  if tonumber(record[6]) > now then return { 'later', tonumber(record[6]) } end
  if record[7] == '0' and record[8] and tonumber(record[8]) < now then
    close('expired', 'begin', '', '')
    return { 'ended' }
  end
  return start()
end

if status == 'input_required' then
  local expires_at = number('approval_expires_at')
  if expires_at > now then return { 'later', expires_at } end
  if field('on_expiry') ~= 'resume' then
    close('expired', 'begin', '', '')
    return { 'ended' }
  end
  local approval_id = field('approval_id')
  local answer = '{"approval_id":"' .. approval_id .. '",' .. string.sub(ARGV[9], 2)
  redis.call('HSET', task, 'queued_at', now)
  redis.call('HDEL', task, 'approval_id')
  note_answer(answer)
  emit('resumed', answer)
  move('queued')
  return start()
end

stop_clock(number('last_at'))
redis.call('HDEL', task, 'away_since', 'waits')
local failures = redis.call('HINCRBY', task, 'failures', 1)
if failures >= number('max_attempts') or ARGV[6] == '0' then
  close('failed', 'begin', '', ARGV[8])
  return { 'ended' }
end
emit('retrying', ARGV[7])
return start()
