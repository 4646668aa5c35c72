-- Retry: queue a job again that failed, was cancelled or has errors, with its files as they are and no crashes counted. From
-- the count of retries a batch determines which of its errors are older.
-- @arg resend_ms: ms until its message is sent, unless the caller sends it
-- Returns whether it was possible, and the job's state; nothing if there is no such job.
local state = redis.call('HGET', record, 'state')
if state ~= 'failed' and state ~= 'cancelled' and state ~= 'completed_with_errors' then
  return state and {0, state} or {}
end
redis.call('HDEL', record, 'finished_at', 'started_at', 'error', 'result', 'crashes', 'memory_kills', 'failures')
redis.call('HINCRBY', record, 'retries', 1)
redis.call('ZREM', ended, id)
redis.call('ZADD', due, now() + resend_ms, id)
enter('queued', state, {retried = true})
return {1, 'queued'}
