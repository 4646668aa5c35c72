-- The holder's heartbeat: prolong the lease and report. ARGV: token, lease in ms, an event's type ('' for none) and its
-- data, then fields and values
-- Returns the state, or nothing where the lease is lost.
local held, state = holds(ARGV[3])
if not held then
  return false
end
redis.call('ZADD', leases, now() + ARGV[4], id)
if #ARGV > 6 then
  redis.call('HSET', record, unpack(ARGV, 7))
end
if ARGV[5] ~= '' then
  log(ARGV[5], cjson.decode(ARGV[6]))
end
return state
