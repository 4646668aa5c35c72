-- End the claim of a worker that stopped renewing its lease. ARGV: crashes at which a job counts as poison, the error
-- that it then ends with, as JSON
-- Returns the job's new state, or nothing where the lease lives.
local ends = redis.call('ZSCORE', leases, id)
if not ends or tonumber(ends) > now() then
  return false
end
local state = redis.call('HGET', record, 'state')
if state == 'cancelling' then
  finish('cancelled', state, {lease = 'expired'})
elseif state == 'running' then
  if redis.call('HINCRBY', record, 'crashes', 1) >= tonumber(ARGV[3]) then
    redis.call('HSET', record, 'error', ARGV[4])
    finish('failed', state, {lease = 'expired'})
  else
    redis.call('ZADD', due, now(), id)
    enter('queued', state, {lease = 'expired'})
  end
else
  redis.call('ZREM', leases, id)
end
return redis.call('HGET', record, 'state')
