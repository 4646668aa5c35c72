-- Requeue a job that failed, was cancelled or has errors, on a user's request. Its files stay, its count of crashes restarts
-- from 0. The count of retries shows which errors of a batch are older than the request.
-- @arg resend_ms: ms until its message is sent, unless the caller sends it
-- Returns whether that was possible, and the job's state; nothing if the job does not exist.
local state = redis.call('HGET', record, 'state')
if state ~= 'failed' and state ~= 'cancelled' and state ~= 'completed_with_errors' then
  return state and {0, state} or {}
end
redis.call('HINCRBY', record, 'retries', 1) -- first, so that a full Redis refuses the retry
redis.call('HDEL', record, 'finished_at', 'started_at', 'error', 'result', 'crashes', 'memory_kills', 'failures', 'reached',
  'crash_reached', 'lost_token')
redis.call('ZREM', ended, id)
redis.call('ZADD', due, now() + resend_ms, id)
enter('queued', state, {retried = true})
return {1, 'queued'}
