-- Make all queued jobs due now: their messages may be lost, because Redis accepted no change for a time.
-- KEYS: the due times    ARGV: how many jobs at the most
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[1])) do
  redis.call('ZADD', KEYS[1], now, id)
end
