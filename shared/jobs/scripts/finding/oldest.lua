-- The longest time in seconds that a queued job has waited, as text; '0' if none is queued. A job that an older version has
-- claimed may still be listed, and is removed here.
-- @key queued: the queued jobs of one kind, by the time since when they wait
-- @key all_queued: the queued jobs of all kinds
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _ = 1, 1000 do
  local oldest = redis.call('ZRANGE', queued, 0, 0, 'WITHSCORES')
  if #oldest == 0 then
    return '0'
  elseif redis.call('ZSCORE', all_queued, oldest[1]) then
    return tostring(math.max(0, now - oldest[2]) / 1000)
  end
  redis.call('ZREM', queued, oldest[1])
end
return '0'
