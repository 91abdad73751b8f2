#!lua flags=allow-oom
-- step: a piece of an attempt's work that a later attempt need not do again. Its record is `state|attempt|fence|at|result`.
-- `begin` notes that a step with an effect is about to have it; `finish` keeps what came of it, adds what it used, and
-- forgets the failures so far: a task that makes progress may go on. It answers with the number of unread messages that are to
-- steer the task.
-- A message that was taken for a step is heard when that is finished.
-- KEYS 7 steps, 8 inbox. ARGV 2 attempt, 3 fence, 4 begin|finish, 5 key, 6 effect, 7 result, 8 input tokens, 9 output tokens,
-- 10 `estimated|cached|reasoning`, 11 most bytes of all steps, their keys among them, 12 the step as the
-- inbox names it.
local steps, what, key, effect = KEYS[7], ARGV[4], ARGV[5], ARGV[6]
local record = redis.call('HMGET', task, 'status', 'attempt', 'fence', 'cancel_requested_at', 'steps_bytes', 'steers',
  'messages', 'unread', 'heard')
local steers = tonumber(record[6]) or 0
if not owns(record, ARGV[2], ARGV[3]) then return { 'superseded' } end
local known = redis.call('HGET', steps, key)
local state, attempt, fence, result
if known then state, attempt, fence, result = string.match(known, '^(%a+)|(%d+)|([^|]*)|%d+|(.*)$') end
if state == 'done' then return { 'done', tonumber(attempt), result, steers } end

-- False when the steps of the task would take too much.
local function keep(new_state, new_result)
  local new = table.concat({ new_state, ARGV[2], ARGV[3], now, new_result }, '|')
  local grown = known and #new - #known or #key + #new
  if (tonumber(record[5]) or 0) + grown > tonumber(ARGV[11]) then return false end
  redis.call('HSET', steps, key, new)
  redis.call('HINCRBY', task, 'steps_bytes', grown)
  return true
end

if what == 'begin' then
  if record[4] then return { 'cancelled' } end
  if state == 'begun' and fence == ARGV[3] then return { 'run' } end
  if state == 'begun' and effect == 'once' then return { 'unknown' } end
  return { keep('begun', '') and 'run' or 'full' }
end

if not keep('done', ARGV[7]) then return { 'full' } end
local unheard = (tonumber(record[7]) or 0) - (tonumber(record[8]) or 0) - (tonumber(record[9]) or 0)
if unheard > 0 then
  local here = 0
  for _, message in ipairs(redis.call('HVALS', KEYS[8])) do
    local by, place = string.match(message, '^%d+|[%l_]+|(%d+)|[^\n]*\n([^\n]*)\n')
    if by ~= '0' and place == ARGV[12] then here = here + 1 end
  end
  if here > 0 then redis.call('HINCRBY', task, 'heard', here) end
end
redis.call('HSET', task, 'failures', 0)
add_usage(ARGV[8], ARGV[9], ARGV[10])
return { 'done', tonumber(ARGV[2]), ARGV[7], steers }
