-- The job that a free process of a queue runs next, if its message names this job.
-- @key record: the named job's record
-- @arg id: the named job
-- @arg kind: a kind of job of that queue; '' for the named job's
-- Returns the id of the first job in the line, nothing if no job is queued that may start.
redis.call('HDEL', record, '') -- see write_even_if_full in ../../scripts/common.lua
local named = standing_of(record)
if lines[named.kind] and redis.call('HGET', record, 'state') == 'queued' then -- it may have waited for its message
  redis.call('ZADD', lines[named.kind], 0, entry_in_line(id, named))
end
local of = kind == '' and named.kind or kind
if not lines[of] then
  return false
end
move_least(of)
local first = first_in_line(of)
return first and first.id
