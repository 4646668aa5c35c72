-- Take a key for a request, unless another one has it. KEYS: the record    ARGV: the request's token, an id for what it is to
-- make, ms for which the key is its own without a sign of life, ms for which the record is kept
-- Returns the record: with this token where the request is to go on, else as another one left it. A request that takes over
-- a dead one's key takes over its id, too.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, held_until, status = unpack(redis.call('HMGET', KEYS[1], 'id', 'held_until', 'status'))
if not status and (not held_until or tonumber(held_until) < now) then
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'id', id or ARGV[2], 'held_until', now + ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return redis.call('HGETALL', KEYS[1])
