-- Make all queued jobs due now: their messages may be lost after a time in which Redis accepted no change.
-- @key due: the queued jobs, by the time of their next message
-- @arg limit: how many jobs at most
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '(' .. now, '+inf', 'LIMIT', 0, limit)) do
  redis.call('ZADD', due, now, id)
end
