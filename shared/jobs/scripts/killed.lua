-- Note that the kernel killed the process that holds the job because memory ran out. The lease expires by itself.
-- Returns 1, or 0 if the job is not that process's.
-- @arg owner: the process
-- @arg killed: what happened and what to do, as JSON
local fields = redis.call('HMGET', record, 'state', 'owner')
if fields[2] == owner and (fields[1] == 'running' or fields[1] == 'cancelling') then
  redis.call('HSET', record, 'killed', killed)
  return 1
end
return 0
