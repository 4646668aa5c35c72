-- Ask for a job's end: at once where nobody works on it, else at the worker's next stopping point. A second wish changes
-- nothing.
-- Returns whether that was possible, and the job's state; nothing where there is no such job.
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
