-- What came of a try to deliver a notice, for the job's log; and when to try again, unless it is settled.
-- KEYS: the notices, when each is due, the job's record, its events
-- ARGV: the notice's id, what came of it as JSON, ms until the next try ('' where it is settled)
local id = ARGV[1]
local notice = redis.call('HGET', KEYS[1], id)
if not notice then
  return -- another courier has settled it meanwhile
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
else
  local time = redis.call('TIME')
  notice = cjson.decode(notice)
  notice.tries = notice.tries + 1
  redis.call('HSET', KEYS[1], id, cjson.encode(notice))
  redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], id)
end
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'type', 'webhook', 'data', ARGV[2])
end
