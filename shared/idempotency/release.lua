-- Delete a key's record, if the request still holds the key.
-- @key record: the key's record
-- @arg token: the request's token
if redis.call('HGET', record, 'token') == token then
  redis.call('DEL', record)
end
