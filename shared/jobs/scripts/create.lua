-- Write a job down, once. ARGV: ms until its message is sent again unless it is claimed, then fields and values
if redis.call('EXISTS', record) == 1 then
  return 0
end
redis.call('HSET', record, unpack(ARGV, 4))
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
return 1
