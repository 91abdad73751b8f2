#!lua flags=allow-oom
-- wake: a queued task that is held back for this reason may be asked again now. Where a runner is just about to hold it back,
-- that is left out once.
-- ARGV 2 reason. Answers with the job type, or nothing when the task is not queued.
local record = redis.call('HMGET', task, 'status', 'waiting', 'due_at', 'type')
if record[1] ~= 'queued' then return {} end
redis.call('HSET', task, 'woken', ARGV[2])
if record[2] == ARGV[2] and tonumber(record[3]) > now then redis.call('HSET', task, 'due_at', now) end
return { record[4] }
