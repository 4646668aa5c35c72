-- The holder gives its job back, to be done by whoever comes next. ARGV: token, ms until its message is sent, how many
-- failures to count
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
enter('queued', state, {released = true})
redis.call('ZADD', waiting, 'XX', now() + ARGV[4], id) -- who backs off asks for no process meanwhile
return 'queued'
