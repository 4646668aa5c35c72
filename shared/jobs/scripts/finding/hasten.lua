-- Make all queued jobs due now, because their messages may be lost: Redis accepted no change for a time.
-- @key due: the queued jobs, by the time of their next message
-- @arg limit: the largest number of jobs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '(' .. now, '+inf', 'LIMIT', 0, limit)) do
  redis.call('ZADD', due, now, id)
end
