-- The jobs whose lease has expired.
-- @key leases: the claimed jobs, by the end of their lease
-- @arg limit: the largest number of jobs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)
