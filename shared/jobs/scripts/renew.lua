-- The holder's heartbeat: prolong the lease and report progress, if the fence is still the newest.
-- KEYS: record, events, leases    ARGV: id, fence, lease in ms, type and data of an event ('' for none), fields and values
-- Returns the state, or nothing where the lease is lost.
local record = redis.call('HMGET', KEYS[1], 'state', 'attempt')
local state = record[1]
if record[2] ~= ARGV[2] or (state ~= 'running' and state ~= 'cancelling') then
  return false
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[3], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], ARGV[1])
if #ARGV > 5 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 6))
end
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'type', ARGV[4], 'data', ARGV[5])
end
return state
