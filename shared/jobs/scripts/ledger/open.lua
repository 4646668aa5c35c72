-- Write the shards of an attempt down. ARGV: 1 to begin anew, 0 to add to what is there, then the shards' numbers
-- Returns 1, or 0 where the attempt is over.
if not runs() then
  return 0
end
if ARGV[2] == '1' then
  redis.call('DEL', ledger, open, taken, invitations)
  redis.call('HSET', ledger, 'token', ARGV[1])
end
if #ARGV > 2 then
  redis.call('RPUSH', open, unpack(ARGV, 3))
end
return 1
