-- The holder gives its job back, to be done by another attempt. ARGV: token, ms until its message is sent, how many failures
-- to count, why it has to wait as JSON ('' if for no shortage), the bytes that the volume has free then
-- Returns the job's state, or nothing where the lease is lost.
local held, state = holds(ARGV[3])
if not held then
  return false
end
if state == 'cancelling' then
  finish('cancelled', state)
  return 'cancelled'
end
redis.call('HINCRBY', record, 'failures', ARGV[5])
redis.call('ZADD', due, now() + ARGV[4], id)
local data = {released = true}
if ARGV[6] == '' then
  redis.call('HDEL', record, 'waiting_since')
else
  redis.call('HSET', record, 'waiting', ARGV[6])
  redis.call('HSETNX', record, 'waiting_since', now()) -- kept while attempt after attempt ends like this
  redis.call('ZADD', blocked, ARGV[7], id)
  data.waiting = cjson.decode(ARGV[6])
end
enter('queued', state, data)
redis.call('ZADD', waiting, 'XX', now() + ARGV[4], id) -- a job that backs off needs no process meanwhile
return 'queued'
