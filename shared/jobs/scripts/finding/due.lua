-- The queued jobs whose message is to be sent now. Each is due again later, unless it is claimed. The interval doubles, up
-- to 64 times the first: a job may wait for hours in the queue, and its messages must not accumulate meanwhile.
-- @key due: the queued jobs, by the time of their next message
-- @key sends: how often each message was sent again
-- @arg resend_ms: ms until a job is due again
-- @arg limit: the largest number of jobs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(ids) do
  local sent = redis.call('HINCRBY', sends, id, 1)
  redis.call('ZADD', due, now + resend_ms * 2 ^ math.min(sent - 1, 6), id)
end
return ids
