-- Requeue a job that failed, was cancelled or has errors, on a user's request. Its files stay, its count of crashes restarts
-- from 0. The count of retries shows which errors of a batch are older than the request.
-- @arg resend_ms: ms until its message is sent, unless the caller sends it
-- @arg most_jobs: queued and running jobs of its API key; 0: unlimited
-- @rest fields: the fields and values of a record that has moved to the volume, alternating
-- Returns 'jobs' if its API key would have too many jobs; {'on_volume'} if the record has moved and its fields are missing; else whether that was possible, and the job's state; nothing if the job does not exist.
local state = redis.call('HGET', record, 'state')
if state ~= 'failed' and state ~= 'cancelled' and state ~= 'completed_with_errors' then
  return state and {0, state} or {}
end
if tonumber(most_jobs) > 0 and jobs_of_key(standing_of(record).owner) >= tonumber(most_jobs) then
  return 'jobs'
end
local moved = redis.call('HEXISTS', record, 'on_volume') == 1
if moved and #fields == 0 then
  return {'on_volume'}
end
redis.call('HINCRBY', record, 'retries', 1) -- first, so that a full Redis refuses the retry
if moved then
  redis.call('HSET', record, unpack(fields))
end
redis.call('HDEL', record, 'on_volume', 'finished_at', 'started_at', 'error', 'result', 'crashes', 'memory_kills', 'failures',
  'reached', 'crash_reached', 'lost_token', 'served', 'handed_over_at', 'waited_ms')
redis.call('ZREM', ended, id)
redis.call('ZADD', due, now() + resend_ms, id)
enter('queued', state, {retried = true})
return {1, 'queued'}
