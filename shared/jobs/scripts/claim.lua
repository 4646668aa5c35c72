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
local handed_over = redis.call('HGET', record, 'handed_over_at')
if handed_over then -- the time limit does not include the time in which the job waited for its next turn
  redis.call('HINCRBY', record, 'waited_ms', math.max(0, time - handed_over))
  redis.call('HDEL', record, 'handed_over_at')
end
redis.call('HSET', record, 'owner', owner, 'token', attempt .. '@' .. owner, 'claimed_at', time, 'charged_at', time)
local standing = standing_of(record)
if lines[standing.kind] then
  if standing.rank == INTERACTIVE then
    redis.call('HINCRBY', shares[standing.kind], IN_A_ROW, 1)
    redis.call('PEXPIRE', shares[standing.kind], SHARES_MS)
  else
    redis.call('HDEL', shares[standing.kind], IN_A_ROW)
  end
end
redis.call('HSETNX', record, 'started_at', time)
redis.call('ZADD', leases, time + lease_ms, id)
enter('running', 'queued')
return redis.call('HGETALL', record)
