#!lua flags=allow-oom
-- leave: a task gives its place back, unless it has its turn by now under another fence.
-- KEYS as of `enter`. ARGV 1 id, 2 fence, or '*' for any. Answers with who is next, or nothing while it is another one's turn.
local waiting, turns, id = KEYS[1], KEYS[2], ARGV[1]
redis.call('ZREM', waiting, id)
local own = redis.call('HGET', turns, id)
if own and (ARGV[2] == '*' or string.match(own, '[^:]*$') == ARGV[2]) then redis.call('HDEL', turns, id) end
for _, value in ipairs(redis.call('HVALS', turns)) do
  if string.sub(value, 1, 5) == 'turn:' then return {} end
end
return redis.call('ZRANGE', waiting, 0, 0)
