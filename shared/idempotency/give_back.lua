-- Forget a key, if it is still the request's own. KEYS: the record    ARGV: the token
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
