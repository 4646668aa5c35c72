-- How many helpers the lead may send for now; they count as invited from here on. The lead has a shard itself, which is
-- none of those that are open or out. ARGV: how many processes are online, ms after which an invitation that nobody has
-- answered is taken for lost
if not valid() or a_batch_waits() then
  return 0
end
local time = now()
redis.call('ZREMRANGEBYSCORE', invitations, '-inf', time)
local out = redis.call('ZCARD', taken)
local wanted = math.min(redis.call('LLEN', open) + out, tonumber(ARGV[2]) - 1)
local count = math.max(0, wanted - out - redis.call('ZCARD', invitations))
for _ = 1, count do
  redis.call('ZADD', invitations, time + ARGV[3], redis.call('HINCRBY', ledger, 'invited', 1))
end
return count
