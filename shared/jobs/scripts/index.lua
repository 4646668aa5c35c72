-- Add a job that an older version created to the indexes.
-- @arg labels: the digests of its labels, separated by spaces
write_even_if_full()
if redis.call('EXISTS', record) == 1 then
  add_to_indexes(labels)
end
