-- How many seconds the oldest queued job has waited, as text; '0' if none waits. If an older version of the code changed a
-- job's state, the set may still list a job that is not queued any more; it is removed here.
-- @key queued: the queued jobs of one kind, by the time since when they have waited
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
