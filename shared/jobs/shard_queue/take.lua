-- Take a shard for a helper. Returns the shard's number, or nothing if there is none for this helper (any more).
-- @arg helper: the helper's name
-- @arg lease_ms: its lease in ms
-- @arg finished: the shard that it has finished, <number>@<helper>; '' for its first shard
-- @arg succeeded: how many images of the finished shard are classified
-- @arg failed: how many have an error
-- @arg used_ms: how long it worked on the finished shard
if not valid() then
  return false
end
if finished == '' then
  redis.call('ZPOPMIN', helper_requests)
elseif redis.call('ZREM', taken_shards, finished) == 1 then
  redis.call('HINCRBY', shard_queue, 'succeeded', succeeded)
  redis.call('HINCRBY', shard_queue, 'failed', failed)
end
local own = standing_of(record)
if finished ~= '' then
  charge(own.kind, own.owner, used_ms)
  redis.call('HINCRBY', record, 'served', used_ms)
end
if leaves() or more_processes(own.kind, own.owner) < 1 or other_batch() then
  return false
end
local shard = redis.call('LPOP', open_shards)
if shard then
  redis.call('ZADD', taken_shards, now() + lease_ms, shard .. '@' .. helper)
end
return shard
