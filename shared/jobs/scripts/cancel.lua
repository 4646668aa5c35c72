-- Cancel a job: at once if no worker holds it, else at the worker's next stopping point. A second call changes nothing.
-- Returns whether that was possible, and the job's state; nothing if the job does not exist.
write_even_if_full()
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
