-- The holder's heartbeat: renew the lease, store progress. Returns the state, or nothing if the lease is lost.
-- @arg token: the holder's
-- @arg lease_ms: the lease in ms
-- @arg event: the type of an event to log; '' for none
-- @arg data: the event's data, as JSON
-- @rest fields: the record's fields and values, alternating
write_even_if_full()
local held, state = holds(token)
if not held then
  return false
end
redis.call('ZADD', leases, now() + lease_ms, id)
charge_process(record, now())
if #fields > 0 then
  redis.call('HSET', record, unpack(fields))
end
if event ~= '' then
  log(event, cjson.decode(data))
end
return state
