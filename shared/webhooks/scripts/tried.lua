-- Log the outcome of a try in the job's log, and store when to try again, or remove the delivery if it is settled.
-- @key deliveries: the deliveries, by their id
-- @key deliveries_due: their ids, by the time at which each is due
-- @key record: the job's record
-- @key events: the job's log
-- @key ended: the ended jobs of which something is not on the volume yet
-- @arg id: the delivery's id
-- @arg outcome: the outcome of the try, as JSON; '' if there was none, and the delivery only has to wait
-- @arg retry_ms: ms until the next try; '' if the delivery is settled
redis.call('HDEL', deliveries, '') -- so that it may write even if the memory of Redis is full: see shared/jobs/scripts/common.lua
local delivery = redis.call('HGET', deliveries, id)
if not delivery then
  return -- another dispatcher has settled it meanwhile
end
if retry_ms == '' then
  redis.call('HDEL', deliveries, id)
  redis.call('ZREM', deliveries_due, id)
else
  local time = redis.call('TIME')
  if outcome ~= '' then
    delivery = cjson.decode(delivery)
    delivery.tries = delivery.tries + 1
    redis.call('HSET', deliveries, id, cjson.encode(delivery))
  end
  redis.call('ZADD', deliveries_due, time[1] * 1000 + math.floor(time[2] / 1000) + retry_ms, id)
end
if outcome ~= '' and redis.call('EXISTS', record) == 1 then
  if redis.call('HEXISTS', record, 'on_volume') == 1 then -- its log is on the volume: maintenance appends the event
    local time = redis.call('TIME')
    redis.call('ZADD', ended, time[1] * 1000, redis.call('HGET', record, 'id'))
  end
  redis.call('XADD', events, 'MAXLEN', '~', MAX_EVENTS, '*', 'type', 'webhook', 'data', outcome)
  local fields = redis.call('HMGET', record, 'id', 'kind', 'model')
  announce(fields[1], fields[2], fields[3], 'webhook', outcome)
end
