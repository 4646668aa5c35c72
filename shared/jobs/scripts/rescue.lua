-- End the claim of a worker whose lease has expired. Returns the job's new state, or nothing if the lease is valid.
-- @arg max_crashes: the crashes after which the job fails
-- @arg poison: the error of the failed job, as JSON
write_even_if_full()
local ends = redis.call('ZSCORE', leases, id)
if not ends or tonumber(ends) > now() then
  return false
end
local state = redis.call('HGET', record, 'state')
local data = {lease = 'expired'}
local killed = redis.call('HGET', record, 'killed')
if killed then
  killed = cjson.decode(killed)
  data.cause, data.detail = 'out_of_memory', killed.detail
end
if state == 'cancelling' then
  finish('cancelled', state, data)
elseif state == 'running' then
  local reached = tonumber(redis.call('HGET', record, 'reached') or 0)
  local before = tonumber(redis.call('HGET', record, 'crash_reached') or 0)
  if reached > before then -- the job made progress since the crashes that were counted
    redis.call('HDEL', record, 'crashes', 'memory_kills')
    redis.call('HSET', record, 'crash_reached', reached)
  end
  redis.call('HSET', record, 'lost_token', redis.call('HGET', record, 'token'))
  local crashes = redis.call('HINCRBY', record, 'crashes', 1)
  local kills = killed and redis.call('HINCRBY', record, 'memory_kills', 1) or 0
  if crashes >= tonumber(max_crashes) then
    local error = poison
    if killed then
      local times = kills == crashes and crashes .. ' times' or kills .. ' of the ' .. crashes .. ' times that it died'
      error = cjson.encode({code = 'out_of_memory', detail = 'out of memory: ' .. killed.detail .. ', ' .. times .. '; ' .. killed.remedy})
    end
    redis.call('HSET', record, 'error', error)
    finish('failed', state, data)
  else
    redis.call('ZADD', due, now(), id)
    enter('queued', state, data)
  end
else
  redis.call('ZREM', leases, id)
end
return redis.call('HGET', record, 'state')
