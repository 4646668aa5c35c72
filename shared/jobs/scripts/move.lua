-- Move a job to another state, from one of the states that allow it and, if a fence is given, under the newest fence.
-- KEYS: record, events, leases, jobs in the target state, jobs in each source state
-- ARGV: id, fence or '', target, '1' if it is terminal, how many sources, the sources, fields and values
-- Returns whether it moved, and the state that the job is in now.
local record = redis.call('HMGET', KEYS[1], 'state', 'attempt')
local state = record[1]
local count = tonumber(ARGV[5])
local source = nil
for i = 1, count do
  if ARGV[5 + i] == state then
    source = KEYS[4 + i]
  end
end
if source == nil or (ARGV[2] ~= '' and ARGV[2] ~= record[2]) then
  return {0, state}
end
redis.call('HSET', KEYS[1], 'state', ARGV[3])
if #ARGV > 5 + count then
  redis.call('HSET', KEYS[1], unpack(ARGV, 6 + count))
end
if ARGV[4] == '1' then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'finished_at', time[1] * 1000 + math.floor(time[2] / 1000))
end
if ARGV[3] ~= 'cancelling' then
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('HDEL', KEYS[1], 'owner')
end
redis.call('ZREM', source, ARGV[1])
redis.call('ZADD', KEYS[4], 0, ARGV[1])
redis.call('XADD', KEYS[2], '*', 'type', 'state', 'data', cjson.encode({state = ARGV[3], attempt = tonumber(record[2])}))
return {1, ARGV[3]}
