-- End the holder's job. Returns 1, or 0 if the lease is lost.
-- @arg token: the holder's
-- @arg end_state: the terminal state
-- @arg sources: the states from which a job may enter it, as JSON
-- @rest fields: the record's fields and values, alternating
write_even_if_full()
local held, state = holds(token)
if not held then
  return 0
end
for _, source in ipairs(cjson.decode(sources)) do
  if source == state then
    if #fields > 0 then
      redis.call('HSET', record, unpack(fields))
    end
    charge_process(record, now())
    finish(end_state, state)
    return 1
  end
end
return 0
