-- A helper's heartbeat. Returns 1, or 0 if its lease of the shard is lost or the job is to stop.
-- @arg shard: the helper's shard, <number>@<helper>
-- @arg lease_ms: its lease in ms
if not valid() or not redis.call('ZSCORE', taken_shards, shard) then
  return 0
end
redis.call('ZADD', taken_shards, now() + lease_ms, shard)
return 1
