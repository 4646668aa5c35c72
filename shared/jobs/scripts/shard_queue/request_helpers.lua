-- The number of helpers that the coordinator may request now, which count as requested from here on. The shard that the
-- coordinator works on is neither open nor taken.
-- @arg processes: how many processes are online
-- @arg resend_ms: ms after which an unanswered request counts as lost
if not valid() or a_batch_waits() then
  return 0
end
local time = now()
redis.call('ZREMRANGEBYSCORE', helper_requests, '-inf', time)
local out = redis.call('ZCARD', taken_shards)
local wanted = math.min(redis.call('LLEN', open_shards) + out, tonumber(processes) - 1)
local count = math.max(0, wanted - out - redis.call('ZCARD', helper_requests))
for _ = 1, count do
  redis.call('ZADD', helper_requests, time + resend_ms, redis.call('HINCRBY', shard_queue, 'invited', 1))
end
return count
