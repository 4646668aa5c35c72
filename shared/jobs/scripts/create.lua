-- Write a new job down, once.
-- KEYS: record, events, all jobs, jobs in state queued    ARGV: id, then the record's fields and values
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('HSET', KEYS[1], 'created_at', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('ZADD', KEYS[4], 0, ARGV[1])
redis.call('XADD', KEYS[2], '*', 'type', 'state', 'data', cjson.encode({state = 'queued'}))
return 1
