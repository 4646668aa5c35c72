-- Take tokens from a token bucket.
-- Returns the number of tokens taken, and if that is 0, the milliseconds until one is available. Then nothing is
-- written, so that a rejected request costs little.
-- @key bucket: the bucket
-- @arg rate: tokens per second
-- @arg burst: the bucket's capacity
-- @arg wanted: number of tokens to take
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
rate, burst = tonumber(rate), tonumber(burst)
local held = redis.call('HMGET', bucket, 'tokens', 'at')
local passed = math.max(0, now - tonumber(held[2] or now))
local tokens = math.min(burst, tonumber(held[1] or burst) + passed * rate)
local taken = math.min(tonumber(wanted), math.floor(tokens))
if taken == 0 then
  return {0, math.ceil((1 - tokens) / rate * 1000)}
end
redis.call('HSET', bucket, 'tokens', string.format('%.6f', tokens - taken), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', bucket, math.ceil(burst / rate * 1000))
return {taken, 0}
