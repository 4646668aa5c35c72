-- Write fields into the record of a key, if it is still the request's own. KEYS: the record    ARGV: the token, ms for which
-- the key stays its own, field, value, field, value …    Returns whether it was.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'held_until', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], unpack(ARGV, 3))
return 1
