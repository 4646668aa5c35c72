-- Select jobs by state, kind, model and label, newest first. Walks the smallest index of the filters, and looks each id up
-- in the others.
-- @key jobs: the ids of all jobs
-- @keys in_state: the ids of the jobs in each state, by the state
-- @keys of_kind: the ids of the jobs of each kind, by the kind
-- @key by_model: the ids of all jobs, each after its model
-- @key by_label: the ids of all jobs with labels, each after the label's digest
-- @arg state: '' for any
-- @arg kind: '' for any
-- @arg model: '' for any
-- @arg label: the label's digest; '' for any
-- @arg before: only jobs older than this id; '' for all
-- @arg most: the number of ids to examine
-- Returns the ids, and the id to go on before, '' at the end; nothing if jobs are missing in the indexes.
local indexed = 0
for _, index in pairs(of_kind) do
  indexed = indexed + redis.call('ZCARD', index)
end
if indexed ~= redis.call('ZCARD', jobs) then
  return false
end

local filters = {}
local function filter(index, prefix)
  local from, to = '-', '+'
  if prefix ~= '' then
    from, to = '[' .. prefix, '(' .. prefix .. '\255'
  end
  table.insert(filters, {index = index, prefix = prefix, from = from, to = to, size = redis.call('ZLEXCOUNT', index, from, to)})
end
if state ~= '' then filter(in_state[state], '') end
if kind ~= '' then filter(of_kind[kind], '') end
if model ~= '' then filter(by_model, model .. ':') end
if label ~= '' then filter(by_label, label .. ':') end
table.sort(filters, function(one, other) return one.size < other.size end)

local walked = table.remove(filters, 1)
local to = before == '' and walked.to or '(' .. walked.prefix .. before
local ids = redis.call('ZREVRANGEBYLEX', walked.index, to, walked.from, 'LIMIT', 0, most)
if walked.prefix ~= '' then
  for i, entry in ipairs(ids) do
    ids[i] = string.sub(entry, #walked.prefix + 1)
  end
end
local last = #ids == tonumber(most) and ids[#ids] or ''
for _, other in ipairs(filters) do
  if #ids == 0 then
    break
  end
  local entries = ids
  if other.prefix ~= '' then
    entries = {}
    for i, id in ipairs(ids) do
      entries[i] = other.prefix .. id
    end
  end
  local found = {}
  for i, score in ipairs(redis.call('ZMSCORE', other.index, unpack(entries))) do
    if score then
      table.insert(found, ids[i])
    end
  end
  ids = found
end
return {ids, last}
