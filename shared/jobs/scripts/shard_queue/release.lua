-- Return a helper's shard to the coordinator: its lease ends now.
-- @arg shard: <number>@<helper>
if valid() then
  redis.call('ZADD', taken_shards, 'XX', 0, shard)
end
