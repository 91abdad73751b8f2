-- What the scripts share, all but `create`.
-- KEYS: 1 task record, 2 event log, 3 live channel, 4 open index, 5 counts, 6 outbox. ARGV[1] is always the task id.
-- Input, output and event data are opaque text here: cjson would turn [] into {}.
local task, log, live, open, counts, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local task_id = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- A live message above this carries the id only; readers then take the event from the log.
local LIVE_BYTES = 16384

local ENDED = { completed = true, failed = true, cancelled = true, expired = true }

local function field(name)
  return redis.call('HGET', task, name)
end

local function number(name)
  return tonumber(field(name) or '') or 0
end

-- Puts one event on the log and sends it to whoever listens now.
local function write(id, prev, kind, data)
  redis.call('XADD', log, id, 'type', kind, 'at', now, 'prev', prev, 'data', data)
  local message = id .. ' ' .. prev .. ' ' .. kind .. ' ' .. now
  if #data <= LIVE_BYTES then message = message .. '\n' .. data end
  redis.call('SPUBLISH', live, message)
  if kind == 'text' then
    redis.call('HSET', task, 'last_id', id, 'last_at', now)
  else
    redis.call('HSET', task, 'last_id', id, 'last_at', now, 'last_state_id', id)
  end
  if kind == 'progress' then redis.call('HSET', task, 'progress', data) end
end

-- Writes an event under the next id of the record's attempt; with `beyond`, an id that this log has lost, under the id
-- after that one, so that no two events of a task ever bore the same id.
local function emit(kind, data, beyond)
  local at = redis.call('HMGET', task, 'last_id', 'attempt')
  local prev, attempt = at[1] or '0-0', at[2]
  local function behind(id)
    local last_attempt, last_seq = string.match(id, '^(%d+)%-(%d+)$')
    return last_attempt == attempt and last_seq + 1 or 1
  end
  write(attempt .. '-' .. math.max(behind(prev), behind(beyond or prev)), prev, kind, data)
end

-- Writes the runner's own events, ARGV[first] onwards as id, type, data. Those already there (a repeat) are passed over.
-- False when the log does not end where the runner thinks it does: a failover lost events.
local function write_entries(last, prev, first, count)
  local from = last == prev and 0 or nil
  for i = 0, count - 1 do
    if ARGV[first + 3 * i] == last then from = i + 1 end
  end
  if not from then return false end
  for i = from, count - 1 do
    local at = first + 3 * i
    write(ARGV[at], last, ARGV[at + 1], ARGV[at + 2])
    last = ARGV[at]
  end
  return true
end

-- True while (attempt, fence) is the one execution that may write; `record` begins with status, attempt, fence.
local function owns(record, attempt, fence)
  return record[1] == 'in_progress' and record[2] == attempt and record[3] == fence
end

local function check_by(at)
  redis.call('ZADD', open, 'XX', 'LT', at, task_id)
end

-- What a waiting task takes of its queue's limits: `amount` 1 takes it, -1 gives it back.
local function count_in(amount)
  local record = redis.call('HMGET', task, 'type', 'input_bytes', 'owner')
  local queue = record[1]
  local function add(name, number)
    if redis.call('HINCRBY', counts, name, amount * number) <= 0 then redis.call('HDEL', counts, name) end
  end
  add(queue .. ':tasks', 1)
  add(queue .. ':bytes', tonumber(record[2]))
  add(queue .. ':owner:' .. record[3], 1)
end

-- The task waits again.
local function count_again()
  if redis.call('HSETNX', task, 'counted', '1') == 1 then count_in(1) end
end

-- The task no longer waits.
local function uncount()
  if redis.call('HDEL', task, 'counted') == 1 then count_in(-1) end
end

local function stop_clock(until_ms)
  local started = number('attempt_started_at')
  if started > 0 then
    redis.call('HINCRBY', task, 'run_ms', math.max(0, until_ms - started))
    redis.call('HDEL', task, 'attempt_started_at')
  end
end

-- `more` is `estimated|cached|reasoning`; the counts are empty where they were not told.
local function add_usage(input_tokens, output_tokens, more)
  if input_tokens == '' then return end
  local estimated, cached, reasoning = string.match(more, '^(%d)|(%d*)|(%d*)$')
  redis.call('HINCRBY', task, 'input_tokens', input_tokens)
  redis.call('HINCRBY', task, 'output_tokens', output_tokens)
  if cached ~= '' then redis.call('HINCRBY', task, 'cached_tokens', cached) end
  if reasoning ~= '' then redis.call('HINCRBY', task, 'reasoning_tokens', reasoning) end
  if estimated == '1' then redis.call('HSET', task, 'usage_estimated', '1') end
end

-- One entry per transition for the relay: which task and which transition, never content.
local function tell_outbox(from, to, owner, kind, attempt)
  redis.call('XADD', outbox, '*', 'v', 1, 'task', task_id, 'owner', owner, 'type', kind, 'from', from, 'to', to,
    'attempt', attempt, 'at', now)
end

local function move(to)
  local record = redis.call('HMGET', task, 'status', 'owner', 'type', 'attempt')
  redis.call('HSET', task, 'status', to)
  tell_outbox(record[1], to, record[2], record[3], record[4])
end

-- Notes an answer to an approval (JSON text) among those of the task, with its time.
local function note_answer(answer)
  local before = field('approvals')
  local entry = '{"answered_at":' .. now .. ',' .. string.sub(answer, 2)
  redis.call('HSET', task, 'approvals', before and before .. ',' .. entry or entry)
end

-- Ends the task: the status, what it leaves, and the one `done`. Without an output of its own it keeps what was there when
-- it was parked. `by` names who did, so that a repeat is known.
local function close(status, by, output, failure)
  uncount()
  redis.call('HSET', task, 'ended_at', now, 'ended_by', by)
  if output == '' and status ~= 'completed' then output = field('partial') or '' end
  if output ~= '' then redis.call('HSET', task, 'output', output) end
  if failure ~= '' then redis.call('HSET', task, 'error', failure) end
  redis.call('ZREM', open, task_id)
  move(status)
  emit('done', '{"status":"' .. status .. '"}')
end
