#!lua flags=allow-oom
-- finish: ends the task, for the attempt that holds it (ARGV 2 attempt, 3 fence) or for the sweep, which says what it
-- saw (ARGV 2 attempt, 3 '=' and the status). Whoever does not match any more is `superseded` and changes nothing.
-- ARGV 4 the id it continues from, 5 to status, 6 output, 7 error, 8 input tokens, 9 output tokens, 10 `estimated|cached|reasoning`,
-- 11 count, then id, type, data …
local attempt, by = ARGV[2], ARGV[3]
local status = field('status')
if not status then return { 'superseded' } end
if field('ended_by') == by and field('attempt') == attempt then return { 'finished', status } end
-- The sweep may have read the record only after the end.
if ENDED[status] then return { 'superseded' } end

if string.sub(by, 1, 1) == '=' then
  if status ~= string.sub(by, 2) or field('attempt') ~= attempt then return { 'superseded' } end
  -- What has begun is billed: it may end as cancelled, never as expired.
  if status == 'in_progress' and ARGV[5] == 'expired' then return { 'superseded' } end
  stop_clock(number('last_at'))
else
  local record = redis.call('HMGET', task, 'status', 'attempt', 'fence', 'last_id')
  if not owns(record, attempt, by) then return { 'superseded' } end
  if not write_entries(record[4], ARGV[4], 12, tonumber(ARGV[11])) then return { 'behind' } end
  stop_clock(now)
  if ARGV[5] == 'failed' then redis.call('HINCRBY', task, 'failures', 1) end
end
add_usage(ARGV[8], ARGV[9], ARGV[10])
close(ARGV[5], by, ARGV[6], ARGV[7])
return { 'finished', ARGV[5] }
