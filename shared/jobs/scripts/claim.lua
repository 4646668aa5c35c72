-- Take a queued job: count the attempt, name the owner, start the lease. ARGV: owner, lease in ms
-- Returns the record, or nothing where the job is not queued.
if redis.call('HGET', record, 'state') ~= 'queued' then
  return {}
end
local time = now()
local attempt = redis.call('HINCRBY', record, 'attempt', 1)
redis.call('HSET', record, 'owner', ARGV[3], 'token', attempt .. '@' .. ARGV[3], 'claimed_at', time)
redis.call('HSETNX', record, 'started_at', time)
redis.call('ZADD', leases, time + ARGV[4], id)
enter('running', 'queued')
return redis.call('HGETALL', record)
