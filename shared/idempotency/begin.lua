-- Take a key for a request, unless another request holds it.
-- Returns the record: with this token if the request holds the key now, else as another request wrote it. A request that
-- takes over an expired key also takes over its id.
-- @key record: the key's record
-- @arg token: the request's token
-- @arg new_id: an id for the resource that the request creates
-- @arg lease_ms: ms for which the request holds the key without renewing it
-- @arg keep_ms: ms for which the record is kept
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, held_until, status = unpack(redis.call('HMGET', record, 'id', 'held_until', 'status'))
if not status and (not held_until or tonumber(held_until) < now) then
  redis.call('HSET', record, 'token', token, 'id', id or new_id, 'held_until', now + lease_ms)
  redis.call('PEXPIRE', record, keep_ms)
end
return redis.call('HGETALL', record)
