#!lua
-- create: the commit point of a submit. Claims the idempotency key, checks the limits, ranks the task and writes its
-- record, its `queued` event and its indexes. A small input comes along; a large one was put down before, for a minute,
-- and every verdict but `created` removes it.
-- KEYS 7 input, 8 owner index, 9 idempotency key (the task's own key again when the request has none).
-- ARGV 2 not_after, 3 fingerprint, 4 head start ms, 5 run_at, 6 delay ms, 7 spread ms, 8 max tasks, 9 max bytes,
-- 10 max tasks of the owner, 11 rank epoch, 12 first check ms, 13 queued event, 14 input ('' when it was put down before),
-- then the record as name, value …
local input, owner_index, idem = KEYS[7], KEYS[8], KEYS[9]
local fingerprint = ARGV[3]

if redis.call('EXISTS', task) == 1 then
  -- The repeat put the input down anew, to live for a minute only.
  redis.call('PERSIST', input)
  return { 'created', number('rank'), number('due_at'), number('created_at') }
end

local function refuse(...)
  redis.call('UNLINK', input)
  return { ... }
end

if now > tonumber(ARGV[2]) then return refuse('late') end
-- Making the input permanent tells at once whether it is there.
if ARGV[14] == '' and redis.call('PERSIST', input) == 0 then return { 'no_input' } end

if fingerprint ~= '' then
  local claim = redis.call('GET', idem)
  if claim then
    if string.sub(claim, 1, #fingerprint) ~= fingerprint then return refuse('conflict') end
    return refuse('replay', string.sub(claim, #fingerprint + 2))
  end
end

local record = {}
for i = 15, #ARGV, 2 do record[ARGV[i]] = ARGV[i + 1] end
local queue, owner = record.type, record.owner
local tasks_name, bytes_name, owner_name = queue .. ':tasks', queue .. ':bytes', queue .. ':owner:' .. owner

local counted = redis.call('HMGET', counts, tasks_name, bytes_name, owner_name)
local waiting = tonumber(counted[3] or '0')
if tonumber(counted[1] or '0') >= tonumber(ARGV[8]) then return refuse('full', 'tasks') end
if tonumber(counted[2] or '0') + record.input_bytes > tonumber(ARGV[9]) then return refuse('full', 'bytes') end
if waiting >= tonumber(ARGV[10]) then return refuse('full', 'owner') end

-- Lower ranks start first. Ageing costs nothing: a task's rank is its own time. A flood of one owner ranks itself back:
-- a whole minute from its second waiting task on, because ranks are minutes and the first of a flood would share the
-- rank of whoever comes next, and the spread for each task that waits.
local run_at = tonumber(ARGV[5])
if tonumber(ARGV[6]) > 0 then run_at = now + ARGV[6] end
local due_at = math.max(now, run_at)
local spread = 0
if waiting > 0 and tonumber(ARGV[7]) > 0 then spread = math.min(60000 + waiting * ARGV[7], 3600000) end
local rank = math.floor((due_at - ARGV[4] + spread - ARGV[11]) / 60000)
rank = math.max(1, math.min(2097151, rank))

-- Written out, without the prelude's steps: this is the hot path of every submit, and nobody can listen yet.
local queued = '0-1'
redis.call('HSET', task, 'status', 'queued', 'attempt', 0, 'failures', 0, 'run_ms', 0, 'created_at', now, 'due_at', due_at,
  'rank', rank, 'counted', '1', 'last_id', queued, 'last_state_id', queued, 'last_at', now, unpack(ARGV, 15))
if run_at > 0 then redis.call('HSET', task, 'run_at', run_at) end
if ARGV[14] ~= '' then redis.call('SET', input, ARGV[14]) end
redis.call('XADD', log, queued, 'type', 'queued', 'at', now, 'prev', '0-0', 'data', ARGV[13])
tell_bus('', 'queued', owner, record.type, 0)
if fingerprint ~= '' then
  redis.call('SET', idem, fingerprint .. ':' .. task_id)
  redis.call('HSET', task, 'idem_key', idem)
end
redis.call('HINCRBY', counts, tasks_name, 1)
redis.call('HINCRBY', counts, bytes_name, record.input_bytes)
redis.call('HINCRBY', counts, owner_name, 1)
redis.call('ZADD', owner_index, 0, task_id)
redis.call('ZADD', open, math.min(now + ARGV[12], tonumber(record.start_by or 'inf')), task_id)
return { 'created', rank, due_at, now }
