-- A helper's heartbeat. Returns 1, or 0 if the shard is not its own any more or the job is to stop.
-- @arg shard: the shard that it works on, <number>@<helper>
-- @arg lease_ms: its lease in ms
if not valid() or not redis.call('ZSCORE', taken_shards, shard) then
  return 0
end
redis.call('ZADD', taken_shards, now() + lease_ms, shard)
return 1
