-- The queued jobs whose message is to be sent now; each is due again later, unless it is claimed. The waits double up to
-- 64 times the first: a job may wait for hours behind others, and its messages must not pile up meanwhile.
-- KEYS: the due times, the counts of sends    ARGV: ms until a job is due again, how many jobs at the most
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local sent = redis.call('HINCRBY', KEYS[2], id, 1)
  redis.call('ZADD', KEYS[1], now + ARGV[1] * 2 ^ math.min(sent - 1, 6), id)
end
return ids
