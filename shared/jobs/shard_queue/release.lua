-- End a helper's lease of its shard, so that the coordinator takes the shard over.
-- @arg shard: <number>@<helper>
if valid() then
  redis.call('ZADD', taken_shards, 'XX', 0, shard)
end
