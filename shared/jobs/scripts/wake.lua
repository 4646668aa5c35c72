-- Make a queued job that waits for room on the volume due at once. If the volume is too full again, it waits for more room
-- than now.
-- @arg free_now: the bytes that are free there
local free = redis.call('ZSCORE', blocked, id)
if free and tonumber(free) < tonumber(free_now) then
  redis.call('ZREM', blocked, id)
  redis.call('HDEL', record, 'waiting')
  redis.call('ZADD', due, 'XX', now(), id)
  redis.call('ZADD', waiting, 'XX', now(), id)
end
