-- The queued jobs of a queue, and what their API keys have used.
-- @arg kind: a kind of job of that queue
-- @arg most: the number of queued jobs, and of running ones, to return
-- Returns the entries of the line, without those of API keys that have their most processes, their API keys with the ms that each has used, alternating, and the ids of the running jobs.
local entries, seen, uses = {}, {}, {}
local counts = MOST_PROCESSES > 0 and processes_of_keys(kind) or {}
for _, entry in ipairs(redis.call('ZRANGE', lines[kind], 0, most - 1)) do
  local owner = string.match(entry, '^%d (%S+) ')
  if MOST_PROCESSES == 0 or (counts[owner] or 0) < MOST_PROCESSES then
    table.insert(entries, entry)
  end
  if not seen[owner] then
    seen[owner] = true
    table.insert(uses, owner)
    table.insert(uses, used(kind, owner))
  end
end
local running = {}
for _, id in ipairs(redis.call('ZRANGE', all_running, 0, most - 1)) do
  local standing = standing_of(JOB_PREFIX .. id)
  if lines[standing.kind] == lines[kind] then
    table.insert(running, id)
  end
end
return {entries, uses, running}
