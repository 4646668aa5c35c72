-- Requeue the holder's job, for another attempt. Returns the job's state, or nothing if the lease is lost; if its
-- loss was counted as a crash, the count is corrected.
-- @arg token: the holder's
-- @arg after_ms: ms until its message is sent
-- @arg failures: how many failures to count
-- @arg hands_over: 1 if it only leaves its process to a job that is next
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
charge_process(record, now())
if state == 'cancelling' then
  finish('cancelled', state)
  return 'cancelled'
end
redis.call('HINCRBY', record, 'failures', failures)
redis.call('ZADD', due, now() + after_ms, id)
local data = {released = true}
if hands_over == '1' then
  redis.call('HSET', record, 'handed_over_at', now())
  data.handed_over = true
end
if reason == '' then
  redis.call('HDEL', record, 'waiting_since')
else
  redis.call('HSET', record, 'waiting', reason)
  redis.call('HSETNX', record, 'waiting_since', now()) -- kept while each attempt ends like this
  redis.call('ZADD', blocked, free, id)
  data.waiting = cjson.decode(reason)
end
enter('queued', state, data)
local standing = standing_of(record)
if tonumber(after_ms) > 0 and lines[standing.kind] then -- its message adds it again
  redis.call('ZREM', lines[standing.kind], entry_in_line(id, standing))
end
redis.call('ZADD', waiting, 'XX', now() + after_ms, id) -- a job that backs off needs no process meanwhile
return 'queued'
