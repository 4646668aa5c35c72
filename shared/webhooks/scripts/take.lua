-- Take the due deliveries, each for one dispatcher. They are due again after `take_ms`.
-- @key deliveries: the deliveries, by their id
-- @key deliveries_due: their ids, by the time at which each is due
-- @arg take_ms: ms for which no other caller gets them
-- @arg limit: the largest number of deliveries
-- Returns ids and deliveries, alternating.
redis.call('HDEL', deliveries, '') -- so that it may write even if the memory of Redis is full: see shared/jobs/scripts/common.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', deliveries_due, '-inf', now, 'LIMIT', 0, limit)) do
  local delivery = redis.call('HGET', deliveries, id)
  if delivery then
    redis.call('ZADD', deliveries_due, now + take_ms, id)
    table.insert(taken, id)
    table.insert(taken, delivery)
  else -- an id without a delivery would fail every take
    redis.call('ZREM', deliveries_due, id)
  end
end
return taken
