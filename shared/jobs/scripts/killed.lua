-- Note that the kernel killed the process that holds the job, for memory; its lease ends by itself. ARGV: the owner, what
-- happened and what to do as JSON
-- Returns 1, or 0 if the job is not that process's.
local fields = redis.call('HMGET', record, 'state', 'owner')
if fields[2] == ARGV[3] and (fields[1] == 'running' or fields[1] == 'cancelling') then
  redis.call('HSET', record, 'killed', ARGV[4])
  return 1
end
return 0
