-- Take tokens from a bucket that fills with time. KEYS: the bucket    ARGV: tokens a second, the most that it holds, how many
-- are wanted
-- Returns how many were taken, and ms until there is one where it was none. Nothing is written then: refusing costs little.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local passed = math.max(0, now - tonumber(held[2] or now))
local tokens = math.min(most, tonumber(held[1] or most) + passed * rate)
local taken = math.min(tonumber(ARGV[3]), math.floor(tokens))
if taken == 0 then
  return {0, math.ceil((1 - tokens) / rate * 1000)}
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - taken), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(most / rate * 1000))
return {taken, 0}
