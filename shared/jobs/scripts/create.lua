-- Create a job's record. Returns 1, or 0 if it exists already.
-- @arg resend_ms: ms until its message is sent again unless it is claimed
-- @arg owes_delivery: 1 if the job has ended and the delivery to its webhook is not settled
-- @arg labels: the digests of its labels, separated by spaces
-- @rest fields: the record's fields and values, alternating
if redis.call('EXISTS', record) == 1 then
  return 0
end
redis.call('HSET', record, unpack(fields))
redis.call('ZADD', jobs, 0, id)
count_archive(1)
add_to_indexes(labels)
local time = now()
if redis.call('HGET', record, 'created_at') == '0' then
  redis.call('HSET', record, 'created_at', time)
end
local state = redis.call('HGET', record, 'state')
if state == 'queued' then
  redis.call('ZADD', due, time + resend_ms, id)
end
local finished_at = redis.call('HGET', record, 'finished_at')
if finished_at then
  redis.call('ZADD', ended, finished_at, id)
end
enter(state, nil)
if owes_delivery == '1' then
  owe_delivery()
end
return 1
