-- Create a job's record. Returns 1, 0 if it exists already, or 'jobs' or 'archive_bytes' if its API key would have too many.
-- @arg resend_ms: ms until its message is sent again unless it is claimed
-- @arg owes_delivery: 1 if the job has ended and the delivery to its webhook is not settled
-- @arg labels: the digests of its labels, separated by spaces
-- @arg most_jobs: queued and running jobs of its API key; 0: unlimited
-- @arg most_archive_bytes: bytes of the archives of its API key's jobs; 0: unlimited
-- @rest fields: the record's fields and values, alternating
if redis.call('EXISTS', record) == 1 then
  return 0
end
local given = {}
for i = 1, #fields, 2 do
  given[fields[i]] = fields[i + 1]
end
local owner = given.key or WITHOUT_KEY
if tonumber(most_jobs) > 0 and jobs_of_key(owner) >= tonumber(most_jobs) then
  return 'jobs'
end
local bytes = (redis.call('HGET', archive_bytes, owner) or 0) + (given.archive_bytes or 0)
if given.archive_bytes and tonumber(most_archive_bytes) > 0 and bytes > tonumber(most_archive_bytes) then
  return 'archive_bytes'
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
