#!lua flags=allow-oom
-- inbox: the attempt that holds the task takes its unread messages at a place of its work, or closes the inbox because it has given
-- its answer. What was taken at a place is what that place has, in every attempt: none of them comes to another one.
-- KEYS 7 inbox. ARGV 2 attempt, 3 fence, 4 take|close, 5 place, 6 steer|all: which of them are taken.
local inbox, place = KEYS[7], ARGV[5]
local record = redis.call('HMGET', task, 'status', 'attempt', 'fence', 'cancel_requested_at', 'unread')
if not owns(record, ARGV[2], ARGV[3]) then return { 'superseded' } end
if record[4] then return { 'cancelled' } end

if ARGV[4] == 'close' then
  if (tonumber(record[5]) or 0) > 0 then return { 'open' } end
  redis.call('HSET', task, 'inbox_closed', '1')
  return { 'closed' }
end

local here, unread = {}, {}
local all = redis.call('HGETALL', inbox)
for i = 1, #all, 2 do
  local value = all[i + 1]
  -- Contents are not copied: only where they begin is looked up.
  local n, mode, attempt, rest, at_place, content_at = string.match(value, '^(%d+)|([%l_]+)|(%d+)|([^\n]*)\n([^\n]*)\n()')
  local message = { n = tonumber(n), value = value }
  if attempt ~= '0' then
    if at_place == place then here[#here + 1] = message end
  elseif ARGV[6] == 'all' or mode == 'steer' then
    message.nonce, message.mode, message.rest, message.content_at = all[i], mode, rest, content_at
    unread[#unread + 1] = message
  end
end

if #here == 0 then
  local steers = 0
  for _, message in ipairs(unread) do
    local head = table.concat({ message.n, message.mode, ARGV[2], message.rest }, '|')
    message.value = head .. '\n' .. place .. '\n' .. string.sub(message.value, message.content_at)
    redis.call('HSET', inbox, message.nonce, message.value)
    if message.mode == 'steer' then steers = steers + 1 end
  end
  if #unread > 0 then redis.call('HINCRBY', task, 'unread', -#unread) end
  if steers > 0 then redis.call('HINCRBY', task, 'steers', -steers) end
  here = unread
end
table.sort(here, function(a, b) return a.n < b.n end)
local answer = { 'taken' }
for _, message in ipairs(here) do answer[#answer + 1] = message.value end
return answer
