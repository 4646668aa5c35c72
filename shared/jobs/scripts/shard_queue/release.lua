-- A helper leaves its shard to the lead: its lease has ended.
-- @arg shard: <number>@<helper>
if valid() then
  redis.call('ZADD', taken_shards, 'XX', 0, shard)
end
