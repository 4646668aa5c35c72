-- Record that the kernel killed the process that holds the job, for memory. The lease expires by itself.
-- Returns 1, or 0 if that process does not hold the job.
-- @arg owner: the process
-- @arg killed: what happened and what to do, as JSON
write_even_if_full()
local fields = redis.call('HMGET', record, 'state', 'owner')
if fields[2] == owner and (fields[1] == 'running' or fields[1] == 'cancelling') then
  redis.call('HSET', record, 'killed', killed)
  return 1
end
return 0
