-- Write fields into the record of a key, if it is still the request's own. Returns whether it was.
-- @key record: the key's record
-- @arg token: the request's token
-- @arg lease_ms: ms for which the key stays its own
-- @rest fields: fields and values, by turns
if redis.call('HGET', record, 'token') ~= token then
  return 0
end
local time = redis.call('TIME')
redis.call('HSET', record, 'held_until', time[1] * 1000 + math.floor(time[2] / 1000) + lease_ms, unpack(fields))
return 1
