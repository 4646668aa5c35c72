-- Take those of some deliveries that are due, each for one dispatcher. They are due again after `take_ms`.
-- @key deliveries: the deliveries, by their id
-- @key deliveries_due: their ids, by the time at which each is due
-- @arg take_ms: ms for which no other caller gets them
-- @rest ids: the ids of the deliveries
-- Returns ids and deliveries, alternating.
redis.call('HDEL', deliveries, '') -- so that it may write even if the memory of Redis is full: see shared/jobs/scripts/common.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, id in ipairs(ids) do
  local due = redis.call('ZSCORE', deliveries_due, id)
  if due and tonumber(due) <= now then -- else another dispatcher has taken it
    local delivery = redis.call('HGET', deliveries, id)
    if delivery then
      redis.call('ZADD', deliveries_due, now + take_ms, id)
      table.insert(taken, id)
      table.insert(taken, delivery)
    else -- an id without a delivery would stay due for ever
      redis.call('ZREM', deliveries_due, id)
    end
  end
end
return taken
