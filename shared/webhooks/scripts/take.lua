-- The notices that are due, each for one courier: they are due again when the time that it may take is over.
-- @key notices: the notices, by their id
-- @key notices_due: their ids, by the time at which each is due
-- @arg take_ms: that time in ms
-- @arg limit: how many at most
-- Returns ids and notices, by turns.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', notices_due, '-inf', now, 'LIMIT', 0, limit)) do
  redis.call('ZADD', notices_due, now + take_ms, id)
  table.insert(taken, id)
  table.insert(taken, redis.call('HGET', notices, id))
end
return taken
