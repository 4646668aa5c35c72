-- Take a key for a request, unless another request holds it or has finished with it. Returns the record, with this token if
-- the key was taken. A request that takes the key of one that stopped takes its id, too.
-- @key record: the key's record
-- @arg token: the request's token
-- @arg new_id: an id for what it is to make
-- @arg lease_ms: ms for which the key stays its own without a sign of life
-- @arg keep_ms: ms for which the record is kept
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, held_until, status = unpack(redis.call('HMGET', record, 'id', 'held_until', 'status'))
if not status and (not held_until or tonumber(held_until) < now) then
  redis.call('HSET', record, 'token', token, 'id', id or new_id, 'held_until', now + lease_ms)
  redis.call('PEXPIRE', record, keep_ms)
end
return redis.call('HGETALL', record)
