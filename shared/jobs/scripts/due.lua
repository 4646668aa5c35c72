-- The queued jobs whose message is to be sent now; each is due again later, unless it is claimed.
-- KEYS: the due times    ARGV: ms until each is due again, how many at the most
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], now + ARGV[1], id)
end
return ids
