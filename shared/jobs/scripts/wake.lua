-- Make a queued job due at once that waits for room on the volume. If it finds the volume full once more, it waits for more
-- room than that.
-- @arg free_now: the bytes that are free there
local free = redis.call('ZSCORE', blocked, id)
if free and tonumber(free) < tonumber(free_now) then
  redis.call('ZREM', blocked, id)
  redis.call('HDEL', record, 'waiting')
  redis.call('ZADD', due, 'XX', now(), id)
  redis.call('ZADD', waiting, 'XX', now(), id)
end
