-- Record that the job's end is on the volume.
-- @arg finished_at: the time of that end; the job may have ended again since then
write_even_if_full()
local time = redis.call('ZSCORE', ended, id)
if time and tonumber(time) == tonumber(finished_at) then
  redis.call('ZREM', ended, id)
end
