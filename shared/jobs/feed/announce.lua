-- The part of each script that adds an event to the stream of all jobs' events. Each entry names the one before it, so that a
-- reader notices if entries between its last one and the oldest that is kept are gone.
-- @key all_events: the newest events of all jobs
local function announce(job, kind, model, event, data)
  if #data > MAX_ANNOUNCED then
    data = '{"truncated":true}' -- the job's own log has the whole event
  end
  local newest = redis.call('XREVRANGE', all_events, '+', '-', 'COUNT', 1)[1]
  redis.call('XADD', all_events, 'MAXLEN', '~', MAX_ALL_EVENTS, '*', 'previous', newest and newest[1] or START, 'job', job,
    'kind', kind or '', 'model', model or '', 'type', event, 'data', data)
end
