-- Delete a key, if it is still the request's own.
-- @key record: the key's record
-- @arg token: the request's token
if redis.call('HGET', record, 'token') == token then
  redis.call('DEL', record)
end
