#!lua
-- create: the commit point of a submit, for all submits of a moment that share a partition. For each task it claims the
-- idempotency key, checks the limits, ranks the task and writes its record, its `queued` event and its indexes. A small
-- input comes along; a large one was put down before, for a minute, and every verdict but `created` removes it.
-- It is the one script without the prelude: the hot path of every submit, and nobody can listen to a new task yet.
-- KEYS 1 open index, 2 counts, 3 outbox; then for each task: record, log, input, owner index, idempotency key, set of those
-- whose task only the store has (its record again when the request has none).
-- ARGV 1 max tasks, 2 max bytes, 3 max tasks of an owner, 4 rank epoch, 5 first check ms; then for each task: id, not_after,
-- fingerprint, head start ms, run_at, delay ms, spread ms, queued event, input ('' when it was put down before), what
-- that set has of the key ('' when it is not to be looked at), how many texts of the record follow, and the record as name, value …
local open, counts, outbox = KEYS[1], KEYS[2], KEYS[3]
local max_tasks, max_bytes, max_owner = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local epoch, first_check = tonumber(ARGV[4]), tonumber(ARGV[5])
local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Redis writes Lua's numbers out digit by digit, again for each command.
local function text(number) return string.format('%.0f', number) end
local now_text = text(now)
local QUEUED = '0-1'

-- What waits is read once for all, and what comes to it is written once.
local waiting, added = {}, {}
local function count(name)
  if not waiting[name] then waiting[name] = tonumber(call('HGET', counts, name) or '0') end
  return waiting[name]
end
local function add(name, amount)
  waiting[name] = waiting[name] + amount
  added[name] = (added[name] or 0) + amount
end

local function create(at, key)
  local id, fingerprint, inline = ARGV[at], ARGV[at + 2], ARGV[at + 8]
  local task, log, input, owner_index, idem, archived = unpack(KEYS, key, key + 5)
  local first, last = at + 11, at + 10 + ARGV[at + 10]

  if call('EXISTS', task) == 1 then
    -- The repeat put the input down anew, to live for a minute only.
    call('PERSIST', input)
    local was = call('HMGET', task, 'rank', 'due_at', 'created_at')
    return { 'created', tonumber(was[1]), tonumber(was[2]), tonumber(was[3]) }
  end

  local function refuse(...)
    call('UNLINK', input)
    return { ... }
  end

  if now > tonumber(ARGV[at + 1]) then return refuse('late') end
  -- Making the input permanent tells at once whether it is there.
  if inline == '' and call('PERSIST', input) == 0 then return { 'no_input' } end

  if fingerprint ~= '' then
    local claim = call('GET', idem)
    if claim then
      if string.sub(claim, 1, #fingerprint) ~= fingerprint then return refuse('conflict') end
      return refuse('replay', string.sub(claim, #fingerprint + 2))
    end
    if ARGV[at + 9] ~= '' and call('SISMEMBER', archived, ARGV[at + 9]) == 1 then return refuse('archived') end
  end

  local record = {}
  for i = first, last, 2 do record[ARGV[i]] = ARGV[i + 1] end
  local queue, owner, bytes = record.type, record.owner, tonumber(record.input_bytes)
  local queue_tasks, queue_bytes, owner_tasks = queue .. ':tasks', queue .. ':bytes', queue .. ':owner:' .. owner
  if count(queue_tasks) >= max_tasks then return refuse('full', 'tasks') end
  if count(queue_bytes) + bytes > max_bytes then return refuse('full', 'bytes') end
  if count(owner_tasks) >= max_owner then return refuse('full', 'owner') end

  -- Lower ranks start first. Ageing costs nothing: a task's rank is its own time. A flood of one owner ranks itself back:
  -- a whole minute from its second waiting task on, because ranks are minutes and the first of a flood would share the
  -- rank of whoever comes next, and the spread for each task that waits.
  local head_start, run_at, delay, spread = unpack(ARGV, at + 3, at + 6)
  run_at = tonumber(run_at)
  if tonumber(delay) > 0 then run_at = now + delay end
  local due_at = math.max(now, run_at)
  spread = tonumber(spread)
  if spread > 0 then
    local ahead = count(owner_tasks)
    spread = ahead > 0 and math.min(60000 + ahead * spread, 3600000) or 0
  end
  local rank = math.floor((due_at - head_start + spread - epoch) / 60000)
  rank = math.max(1, math.min(2097151, rank))

  call('HSET', task, 'status', 'queued', 'attempt', '0', 'failures', '0', 'run_ms', '0', 'created_at', now_text,
    'due_at', text(due_at), 'rank', text(rank), 'counted', '1', 'last_id', QUEUED, 'last_state_id', QUEUED,
    'last_at', now_text, unpack(ARGV, first, last))
  if run_at > 0 then call('HSET', task, 'run_at', text(run_at)) end
  if inline ~= '' then call('SET', input, inline) end
  call('XADD', log, QUEUED, 'type', 'queued', 'at', now_text, 'prev', '0-0', 'data', ARGV[at + 7])
  call('XADD', outbox, '*', 'v', '1', 'task', id, 'owner', owner, 'type', queue, 'from', '', 'to', 'queued',
    'attempt', '0', 'at', now_text)
  if fingerprint ~= '' then
    call('SET', idem, fingerprint .. ':' .. id)
    call('HSET', task, 'idem_key', idem)
  end
  add(queue_tasks, 1)
  add(queue_bytes, bytes)
  add(owner_tasks, 1)
  call('ZADD', owner_index, '0', id)
  call('ZADD', open, text(math.min(now + first_check, tonumber(record.start_by or 'inf'))), id)
  return { 'created', rank, due_at, now }
end

local verdicts = {}
local at, key = 6, 4
while at <= #ARGV do
  verdicts[#verdicts + 1] = create(at, key)
  at, key = at + 11 + ARGV[at + 10], key + 6
end
for name, amount in pairs(added) do call('HINCRBY', counts, name, text(amount)) end
return verdicts
