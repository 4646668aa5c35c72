-- Take a queued job: raise the fence, name the owner, start the lease by this server's clock.
-- KEYS: record, events, leases, jobs in state queued, jobs in state running    ARGV: id, owner, lease in ms
-- Returns the record's fields and values, or nothing where the job is not queued.
if redis.call('HGET', KEYS[1], 'state') ~= 'queued' then
  return {}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('HSET', KEYS[1], 'state', 'running', 'owner', ARGV[2])
redis.call('HSETNX', KEYS[1], 'started_at', now)
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[5], 0, ARGV[1])
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[1])
redis.call('XADD', KEYS[2], '*', 'type', 'state', 'data', cjson.encode({state = 'running', attempt = attempt}))
return redis.call('HGETALL', KEYS[1])
