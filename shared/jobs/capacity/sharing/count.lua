-- How many jobs of an API key are running or in a line.
-- @arg owner: the API key's name
local count, counted = 0, {}
for _, line in pairs(lines) do
  if not counted[line] then
    counted[line] = true
    for _, rank in ipairs({INTERACTIVE, BATCH}) do
      count = count + redis.call('ZLEXCOUNT', line, '[' .. rank .. ' ' .. owner .. ' ', '(' .. rank .. ' ' .. owner .. '!')
    end
  end
end
for _, id in ipairs(redis.call('ZRANGE', all_running, 0, MOST_RUNNING - 1)) do
  if standing_of(JOB_PREFIX .. id).owner == owner then
    count = count + 1
  end
end
return count
