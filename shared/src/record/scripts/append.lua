#!lua flags=allow-oom
-- append: the events of one flush, all or none, and only from the attempt that holds the task. Answers with the
-- cancel mark and the number of unread messages that are to steer it, so that a running attempt learns of them with its next flush.
-- ARGV 2 attempt, 3 fence, 4 the id it continues from, 5 count, then id, type, data …
local record = redis.call('HMGET', task, 'status', 'attempt', 'fence', 'last_id', 'cancel_requested_at', 'steers')
if not owns(record, ARGV[2], ARGV[3]) then return { 'superseded' } end
if not write_entries(record[4], ARGV[4], 6, tonumber(ARGV[5])) then return { 'behind' } end
return { 'appended', record[5] or '', tonumber(record[6]) or 0 }
