-- Store as many requests for helpers as the coordinator may make now, and return their number. The coordinator works on a
-- shard itself, which is neither open nor taken by a helper.
-- @arg processes: how many processes are online
-- @arg resend_ms: ms after which an unanswered request counts as lost
local own = standing_of(record)
if not valid() or another_job_waits() and (MOST_PROCESSES == 0 or first_in_line(own.kind)) then
  return 0 -- unless those that wait may not start: their API keys have their most processes
end
local time = now()
redis.call('ZREMRANGEBYSCORE', helper_requests, '-inf', time)
local taken = redis.call('ZCARD', taken_shards)
local useful = math.min(redis.call('LLEN', open_shards) + taken, tonumber(processes) - 1)
local count = math.max(0, math.min(useful - taken, more_processes(own.kind, own.owner)) - redis.call('ZCARD', helper_requests))
for _ = 1, count do
  redis.call('ZADD', helper_requests, time + resend_ms, redis.call('HINCRBY', shard_queue, 'invited', 1))
end
return count
