-- Cancel a job: at once if no worker has claimed it, else at the worker's next check. A second call changes nothing.
-- Returns whether it was possible, and the job's state; nothing if there is no such job.
local state = redis.call('HGET', record, 'state')
if state == 'queued' then
  finish('cancelled', state)
  return {1, 'cancelled'}
elseif state == 'running' then
  enter('cancelling', state)
  return {1, 'cancelling'}
elseif state == 'cancelling' then
  return {1, state}
end
return state and {0, state} or {}
