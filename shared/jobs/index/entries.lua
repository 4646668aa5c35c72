-- The part of each script that adds the job to the indexes by kind, model and label, or removes it. They depend only on what
-- never changes, so that an older version, which does not maintain them, cannot make an entry wrong by a transition.
-- @keys of_kind: the ids of the jobs of each kind, by the kind; a kind that only a newer version has is not in the table
-- @key by_model: the ids of all jobs, each after its model
-- @key by_label: the ids of all jobs with labels, an entry for each label, each after the label's digest
local function each_entry(labels, change)
  local fields = redis.call('HMGET', record, 'kind', 'model')
  if of_kind[fields[1]] then
    change(of_kind[fields[1]], id)
  end
  if fields[2] then
    change(by_model, fields[2] .. ':' .. id)
  end
  for label in string.gmatch(labels, '%S+') do
    change(by_label, label .. ':' .. id)
  end
end

local function add_to_indexes(labels)
  each_entry(labels, function(index, entry) redis.call('ZADD', index, 0, entry) end)
end

local function remove_from_indexes(labels)
  each_entry(labels, function(index, entry) redis.call('ZREM', index, entry) end)
end
