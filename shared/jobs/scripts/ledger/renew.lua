-- A helper's heartbeat. ARGV: the shard that it works on, <number>@<helper>, its lease in ms
-- Returns 1, or 0 where the shard is not its own any more or the job is to stop.
if not valid() or not redis.call('ZSCORE', taken, ARGV[2]) then
  return 0
end
redis.call('ZADD', taken, now() + ARGV[3], ARGV[2])
return 1
