-- Record that the job's end and its log are on the volume. If the record is old enough, move it there: keep only what lists
-- and transitions need. A script that needs other fields of an ended job must put them back first, as retry.lua does.
-- @arg finished_at: the time of that end; the job may have ended again since then
-- @arg move_after_ms: ms after the end when the record moves; -1 if it stays
-- @arg newest_event: the newest event that is on the volume; '' if none is
-- @arg kept: the names of the fields that stay, as JSON
-- @rest placeholders: other fields that stay, and their values, alternating
write_even_if_full()
if redis.call('HGET', record, 'finished_at') ~= finished_at then
  return
end
local due = tonumber(finished_at) + tonumber(move_after_ms)
local newest = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
if tonumber(move_after_ms) < 0 then
  redis.call('ZREM', ended, id)
elseif now() < due then
  redis.call('ZADD', ended, due, id)
elseif newest and newest[1] ~= newest_event then -- maintenance adds the newer events to the log on the volume
  redis.call('ZADD', ended, now(), id)
else
  local names, fields = cjson.decode(kept), {}
  for i, value in ipairs(redis.call('HMGET', record, unpack(names))) do
    if value then
      table.insert(fields, names[i])
      table.insert(fields, value)
    end
  end
  redis.call('DEL', record, events)
  redis.call('HSET', record, unpack(fields))
  redis.call('HSET', record, unpack(placeholders))
  redis.call('ZREM', ended, id)
end
