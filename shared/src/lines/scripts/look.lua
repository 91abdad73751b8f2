#!lua flags=allow-oom
-- look: takes the turn if it is this task's, else says whom it waits for. One that has no place (it was scheduled, or waited for
-- a person; a failover lost it) takes the one it had, or the last.
-- KEYS as of `enter`. ARGV 1 id, 2 accepted ('' now), 3 fence, 4 how long a line without news is kept (ms).
local waiting, turns, id = KEYS[1], KEYS[2], ARGV[1]

local function kept(...)
  redis.call('PEXPIRE', waiting, ARGV[4])
  redis.call('PEXPIRE', turns, ARGV[4])
  return { ... }
end

local own = redis.call('HGET', turns, id)
if own then
  redis.call('HSET', turns, id, string.match(own, '^%a+:%d+:') .. ARGV[3])
  return kept('go')
end

local score = redis.call('ZSCORE', waiting, id)
if not score then
  local clock = redis.call('TIME')
  score = ARGV[2] ~= '' and ARGV[2] or string.format('%.0f', clock[1] * 1000000 + clock[2])
  redis.call('ZADD', waiting, score, id)
end
local accepted = math.abs(tonumber(score))

local ahead = {}
local all = redis.call('HGETALL', turns)
for i = 1, #all, 2 do
  local kind, at = string.match(all[i + 1], '^(%a+):(%d+):')
  if kind == 'turn' or tonumber(at) < accepted then
    ahead[#ahead + 1] = all[i]
    ahead[#ahead + 1] = all[i + 1]
  end
end
local first = redis.call('ZRANGE', waiting, 0, 0)[1]
if first ~= id then
  ahead[#ahead + 1] = first
  ahead[#ahead + 1] = ''
end
if #ahead > 0 then return kept('wait', unpack(ahead)) end

redis.call('ZREM', waiting, id)
redis.call('HSET', turns, id, 'turn:' .. string.format('%.0f', accepted) .. ':' .. ARGV[3])
return kept('go')
