-- A helper takes a shard. ARGV: the helper, its lease in ms, then, unless it has just arrived, the shard that it has
-- finished, <number>@<helper>, and how many of its images have a row and how many an error
-- Returns the shard's number; nothing where there is none for this helper (any more).
if not valid() then
  return false
end
if #ARGV == 3 then
  redis.call('ZPOPMIN', invitations)
elseif redis.call('ZREM', taken, ARGV[4]) == 1 then
  redis.call('HINCRBY', ledger, 'succeeded', ARGV[5])
  redis.call('HINCRBY', ledger, 'failed', ARGV[6])
end
if a_batch_waits() then
  return false
end
local shard = redis.call('LPOP', open)
if shard then
  redis.call('ZADD', taken, now() + ARGV[3], shard .. '@' .. ARGV[2])
end
return shard
