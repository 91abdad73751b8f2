#!lua
-- message: a client's message to a task that has not ended, once. It stays in the inbox as long as the task: first unread, then
-- with the place in the work where it was taken. An attempt that has closed the inbox has given its answer: no message comes after.
-- Each is a field of the inbox, named by the nonce: `n|mode|attempt|id|at|fingerprint`, a line of the place, a line of the content;
-- attempt 0 and an empty place while it is unread.
-- KEYS 7 inbox. ARGV 2 nonce, 3 message id, 4 fingerprint, 5 mode, 6 content, 7 most messages, 8 most bytes of all, 9 not after.
local inbox, nonce, mode, content = KEYS[7], ARGV[2], ARGV[5], ARGV[6]
local record = redis.call('HMGET', task, 'status', 'cancel_requested_at', 'inbox_closed', 'messages', 'message_bytes')
local status = record[1]
if not status then return { 'unknown' } end

local known = redis.call('HGET', inbox, nonce)
if known then
  local id, fingerprint = string.match(known, '^%d+|[%l_]+|%d+|([^|]*)|%d+|([^\n]*)\n')
  return fingerprint == ARGV[4] and { 'accepted', id } or { 'differs' }
end

if now > tonumber(ARGV[9]) then return { 'late' } end
if ENDED[status] then return { 'closed', 'has ended' } end
if record[2] then return { 'closed', 'is being cancelled' } end
if record[3] then return { 'closed', 'has given its answer' } end
local count, bytes = tonumber(record[4]) or 0, tonumber(record[5]) or 0
if count >= tonumber(ARGV[7]) then return { 'full', 'messages' } end
if bytes + #content > tonumber(ARGV[8]) then return { 'full', 'bytes' } end

local head = table.concat({ count + 1, mode, 0, ARGV[3], now, ARGV[4] }, '|')
redis.call('HSET', inbox, nonce, head .. '\n\n' .. content)
redis.call('HSET', task, 'messages', count + 1, 'message_bytes', bytes + #content)
redis.call('HINCRBY', task, 'unread', 1)
if mode == 'steer' then redis.call('HINCRBY', task, 'steers', 1) end
return { 'accepted', ARGV[3] }
