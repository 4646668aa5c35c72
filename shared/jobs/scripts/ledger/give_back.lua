-- A helper leaves its shard to the lead: its lease has ended. ARGV: the shard, <number>@<helper>
if valid() then
  redis.call('ZADD', taken, 'XX', 0, ARGV[2])
end
