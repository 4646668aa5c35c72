-- Write fields into a key's record, and renew the lease, if the request still holds the key. Returns whether it does.
-- @key record: the key's record
-- @arg token: the request's token
-- @arg lease_ms: ms for which the request holds the key
-- @rest fields: fields and values, alternating
if redis.call('HGET', record, 'token') ~= token then
  return 0
end
local time = redis.call('TIME')
redis.call('HSET', record, 'held_until', time[1] * 1000 + math.floor(time[2] / 1000) + lease_ms, unpack(fields))
return 1
