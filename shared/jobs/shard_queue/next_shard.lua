-- Take the coordinator's next shard: one that a helper has lost, else the next open one.
-- @arg turn_ms: the time after which it leaves its process to a job of the same priority that is next; -1 for never
-- Returns its number or -1, the numbers of open shards and of the helpers' shards after that, and the numbers of images
-- that the helpers have classified and that have an error; and 1 if it leaves its process without a shard, else 0;
-- nothing if the shard queue does not belong to the attempt.
if not valid() then
  return {}
end
charge_process(record, now())
local done = redis.call('HMGET', shard_queue, 'succeeded', 'failed')
if tonumber(turn_ms) >= 0 and redis.call('LLEN', open_shards) > 0 and hands_over(tonumber(turn_ms)) then
  return {-1, redis.call('LLEN', open_shards), 0, tonumber(done[1] or 0), tonumber(done[2] or 0), 1}
end
local shard = -1
local lost = redis.call('ZRANGEBYSCORE', taken_shards, '-inf', now(), 'LIMIT', 0, 1)[1]
if lost then
  redis.call('ZREM', taken_shards, lost)
  shard = tonumber(string.match(lost, '^%d+'))
else
  shard = tonumber(redis.call('LPOP', open_shards) or -1)
end
return {
  shard, redis.call('LLEN', open_shards), redis.call('ZCARD', taken_shards), tonumber(done[1] or 0), tonumber(done[2] or 0), 0
}
