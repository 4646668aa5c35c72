-- A person's wish: queue a failed or cancelled job again, with its files as they are and a clean count of crashes.
-- Returns whether that was possible, and the job's state; nothing where there is no such job.
local state = redis.call('HGET', record, 'state')
if state ~= 'failed' and state ~= 'cancelled' then
  return state and {0, state} or {}
end
redis.call('HDEL', record, 'finished_at', 'started_at', 'error', 'result', 'crashes', 'failures')
redis.call('ZREM', ended, id)
redis.call('ZADD', due, now() + ARGV[3], id)
enter('queued', state, {retried = true})
return {1, 'queued'}
