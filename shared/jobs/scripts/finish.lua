-- The holder ends its job. ARGV: token, the terminal state, the states that allow it, then fields and values
-- Returns 1, or 0 where the lease is lost.
local held, state = holds(ARGV[3])
if not held then
  return 0
end
for _, source in ipairs(cjson.decode(ARGV[5])) do
  if source == state then
    if #ARGV > 5 then
      redis.call('HSET', record, unpack(ARGV, 6))
    end
    finish(ARGV[4], state)
    return 1
  end
end
return 0
