-- The notices that are due, each for one courier: they are due again when the time that it may take is over.
-- KEYS: the notices, when each is due    ARGV: that time in ms, how many at the most
-- Returns ids and notices, by turns.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', KEYS[2], now + ARGV[1], id)
  table.insert(taken, id)
  table.insert(taken, redis.call('HGET', KEYS[1], id))
end
return taken
