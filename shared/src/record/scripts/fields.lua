#!lua flags=no-writes
-- fields: the same fields of many records, all of one partition. A list may look at thousands of tasks, and a command for each
-- would cost the API ten times as much.
-- KEYS the records. ARGV the names of the fields.
local found = {}
for index, task in ipairs(KEYS) do
  found[index] = redis.call('HMGET', task, unpack(ARGV))
end
return found
