-- Store the shards of an attempt. Returns 1, or 0 if the attempt is over.
-- @arg anew: 1 to start with an empty queue, 0 to append to the shards in it
-- @rest shards: the shards' numbers
if not runs() then
  return 0
end
if anew == '1' then
  redis.call('DEL', shard_queue, open_shards, taken_shards, helper_requests)
  redis.call('HSET', shard_queue, 'token', token)
end
if #shards > 0 then
  redis.call('RPUSH', open_shards, unpack(shards))
end
return 1
