-- Make a queued job due now that waits for space on the volume. If the volume is still too full for it, it waits for more
-- space than that.
-- @arg free_now: the bytes that are free on the volume
write_even_if_full()
local free = redis.call('ZSCORE', blocked, id)
if free and tonumber(free) < tonumber(free_now) then
  redis.call('ZREM', blocked, id)
  redis.call('HDEL', record, 'waiting')
  redis.call('ZADD', due, 'XX', now(), id)
  redis.call('ZADD', waiting, 'XX', now(), id)
end
