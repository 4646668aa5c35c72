-- Claim a queued job: count the attempt, store the owner, start the lease.
-- @arg owner: the process that claims it
-- @arg lease_ms: the lease in ms
-- Returns the record, or nothing if the job is not queued.
write_even_if_full()
if redis.call('HGET', record, 'state') ~= 'queued' then
  return {}
end
local time = now()
local attempt = redis.call('HINCRBY', record, 'attempt', 1)
redis.call('HSET', record, 'owner', owner, 'token', attempt .. '@' .. owner, 'claimed_at', time)
redis.call('HSETNX', record, 'started_at', time)
redis.call('ZADD', leases, time + lease_ms, id)
enter('running', 'queued')
return redis.call('HGETALL', record)
