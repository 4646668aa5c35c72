-- Delete an ended job.
-- @arg anyway: 1 to delete it in any state
-- @arg labels: the digests of its labels, separated by spaces
-- Returns whether that was possible, and the job's state; nothing if the job does not exist.
write_even_if_full()
local state = redis.call('HGET', record, 'state')
if state and anyway ~= '1' and (state == 'queued' or state == 'running' or state == 'cancelling') then
  return {0, state}
end
local kind = redis.call('HGET', record, 'kind')
if state then
  announce_own('deleted', '{}')
end
remove_from_indexes(labels)
count_archive(-1)
if lines[kind] then
  redis.call('ZREM', lines[kind], entry_in_line(id, standing_of(record)))
end
redis.call('DEL', record, events, unpack(shard_keys))
if state == 'queued' then
  count('queued:' .. kind, -1)
end
for _, set in pairs(in_state) do
  redis.call('ZREM', set, id)
end
redis.call('ZREM', jobs, id)
redis.call('ZREM', leases, id)
redis.call('ZREM', due, id)
redis.call('HDEL', sends, id)
redis.call('ZREM', ended, id)
redis.call('ZREM', waiting, id)
redis.call('ZREM', blocked, id)
if queued[kind] then
  redis.call('ZREM', queued[kind], id)
end
return state and {1, state} or {}
