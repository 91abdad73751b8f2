#!lua
-- enter: a task that is about to be created takes its place in the line of its session.
-- KEYS 1 who waits, by when they were accepted (before all others: below zero), 2 whose turn it is: id → kind:accepted:fence.
-- A `turn` is one after the other; a `free` task waits for nobody, and those accepted later wait for it.
-- ARGV 1 id, 2 how: free, last, first, alone, 3 most that may wait, 4 how long a line without news is kept (ms),
-- 5 when it was accepted, where it comes back ('' now).
local waiting, turns, id, how = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local accepted = ARGV[5] ~= '' and ARGV[5] or string.format('%.0f', clock[1] * 1000000 + clock[2])

if how == 'alone' then
  local busy = redis.call('HGETALL', turns)
  for _, first in ipairs(redis.call('ZRANGE', waiting, 0, 0)) do
    busy[#busy + 1] = first
    busy[#busy + 1] = ''
  end
  if #busy > 0 then return { 'busy', unpack(busy) } end
end

if how == 'free' then
  redis.call('HSET', turns, id, 'free:' .. accepted .. ':')
else
  if redis.call('ZCARD', waiting) >= tonumber(ARGV[3]) then return { 'full' } end
  redis.call('ZADD', waiting, how == 'first' and '-' .. accepted or accepted, id)
end
redis.call('PEXPIRE', waiting, ARGV[4])
redis.call('PEXPIRE', turns, ARGV[4])
return { 'entered', how == 'first' and '-' .. accepted or accepted }
