#!lua flags=allow-oom
-- append: the events of one flush, all or none, and only from the attempt that holds the task. Answers with the
-- cancel mark, so that a running attempt learns of it with its next flush.
-- ARGV 2 attempt, 3 fence, 4 the id it continues from, 5 count, then id, type, data …
local record = redis.call('HMGET', task, 'status', 'attempt', 'fence', 'last_id', 'cancel_requested_at')
if not owns(record, ARGV[2], ARGV[3]) then return { 'superseded' } end
if not write_entries(record[4], ARGV[4], 6, tonumber(ARGV[5])) then return { 'behind' } end
return { 'appended', record[5] or '' }
