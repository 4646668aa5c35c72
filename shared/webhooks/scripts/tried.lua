-- What came of a try to deliver a notice, for the job's log; and when to try again, unless it is settled.
-- @key notices: the notices, by their id
-- @key notices_due: their ids, by the time at which each is due
-- @key record: the job's record
-- @key events: the job's log
-- @arg id: the notice's id
-- @arg outcome: what came of the try, as JSON
-- @arg retry_ms: ms until the next try; '' if the notice is settled
local notice = redis.call('HGET', notices, id)
if not notice then
  return -- another courier has settled it meanwhile
end
if retry_ms == '' then
  redis.call('HDEL', notices, id)
  redis.call('ZREM', notices_due, id)
else
  local time = redis.call('TIME')
  notice = cjson.decode(notice)
  notice.tries = notice.tries + 1
  redis.call('HSET', notices, id, cjson.encode(notice))
  redis.call('ZADD', notices_due, time[1] * 1000 + math.floor(time[2] / 1000) + retry_ms, id)
end
if redis.call('EXISTS', record) == 1 then
  redis.call('XADD', events, 'MAXLEN', '~', 10000, '*', 'type', 'webhook', 'data', outcome)
end
