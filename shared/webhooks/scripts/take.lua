-- Take due deliveries for one dispatcher: they are due again after the time that it may take. Returns ids and deliveries by
-- turns.
-- @key deliveries: the deliveries by id
-- @key deliveries_due: their ids, by the time at which each is due
-- @arg take_ms: that time in ms
-- @arg limit: how many at most
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', deliveries_due, '-inf', now, 'LIMIT', 0, limit)) do
  redis.call('ZADD', deliveries_due, now + take_ms, id)
  table.insert(taken, id)
  table.insert(taken, redis.call('HGET', deliveries, id))
end
return taken
