-- Requeue the holder's job, for another attempt. Returns the job's state, or nothing if the lease is lost; if its
-- loss was counted as a crash, the count is corrected.
-- @arg token: the holder's
-- @arg after_ms: ms until its message is sent
-- @arg failures: how many failures to count
-- @arg reason: why the job has to wait for space, as JSON; '' if it has not
-- @arg free: the bytes that are free on the volume
write_even_if_full()
local held, state = holds(token)
if not held then
  local active = state == 'queued' or state == 'running' or state == 'cancelling'
  if active and redis.call('HGET', record, 'lost_token') == token then -- the lease expired, but the worker is alive
    redis.call('HDEL', record, 'lost_token')
    redis.call('HINCRBY', record, 'crashes', -1)
  end
  return false
end
if state == 'cancelling' then
  finish('cancelled', state)
  return 'cancelled'
end
redis.call('HINCRBY', record, 'failures', failures)
redis.call('ZADD', due, now() + after_ms, id)
local data = {released = true}
if reason == '' then
  redis.call('HDEL', record, 'waiting_since')
else
  redis.call('HSET', record, 'waiting', reason)
  redis.call('HSETNX', record, 'waiting_since', now()) -- kept while each attempt ends like this
  redis.call('ZADD', blocked, free, id)
  data.waiting = cjson.decode(reason)
end
enter('queued', state, data)
redis.call('ZADD', waiting, 'XX', now() + after_ms, id) -- a job that backs off needs no process meanwhile
return 'queued'
