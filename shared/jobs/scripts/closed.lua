-- The job's end is on the volume. ARGV: the time of that end, for the job may have ended once more since
local time = redis.call('ZSCORE', ended, id)
if time and tonumber(time) == tonumber(ARGV[3]) then
  redis.call('ZREM', ended, id)
end
