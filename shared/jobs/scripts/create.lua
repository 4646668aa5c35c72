-- Write a job down, once. ARGV: ms until its message is sent again unless it is claimed, 1 where it has ended and its
-- webhook is owed the news of that still, then fields and values
if redis.call('EXISTS', record) == 1 then
  return 0
end
redis.call('HSET', record, unpack(ARGV, 5))
redis.call('ZADD', jobs, 0, id)
local time = now()
if redis.call('HGET', record, 'created_at') == '0' then
  redis.call('HSET', record, 'created_at', time)
end
local state = redis.call('HGET', record, 'state')
if state == 'queued' then
  redis.call('ZADD', due, time + ARGV[3], id)
end
enter(state, nil)
if ARGV[4] == '1' then
  owe_notice()
end
return 1
