-- How many helpers the lead may send for now; they count as invited from here on. The lead has a shard itself, which is
-- none of those that are open or out. 
-- @arg processes: how many processes are online
-- @arg resend_ms: ms after which an unanswered invitation counts as lost
if not valid() or a_batch_waits() then
  return 0
end
local time = now()
redis.call('ZREMRANGEBYSCORE', invitations, '-inf', time)
local out = redis.call('ZCARD', taken_shards)
local wanted = math.min(redis.call('LLEN', open_shards) + out, tonumber(processes) - 1)
local count = math.max(0, wanted - out - redis.call('ZCARD', invitations))
for _ = 1, count do
  redis.call('ZADD', invitations, time + resend_ms, redis.call('HINCRBY', ledger, 'invited', 1))
end
return count
