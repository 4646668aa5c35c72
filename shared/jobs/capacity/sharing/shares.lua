-- The part of the scripts that decides which job is next: by priority, then the job of the API key that has used least.
-- @keys lines: the queued jobs that may start, in the queue of each kind: `<rank> <API key> <ms used> <id>`
-- @keys shares: how many ms of processes the jobs of each API key have used in that queue
-- @key all_queued: the ids of the queued jobs
-- @key all_running: the ids of the running jobs
local INTERACTIVE, BATCH = '1', '2' -- the ranks of the priorities, in their order
local WITHOUT_KEY = '_' -- stands for the API key of a job that was submitted without one
local LEAST, IN_A_ROW = '', '/' -- fields of `shares` that no API key has as its name
local MOST_IN_A_ROW = 9 -- interactive jobs that start before a batch gets one turn
local SHARES_MS = 3600 * 1000 -- how long the shares are kept without work
local MOST_RUNNING = 1000 -- running jobs that are examined

local function standing_of(record)
  local fields = redis.call('HMGET', record, 'kind', 'key', 'priority', 'served')
  return {
    kind = fields[1],
    rank = fields[3] == 'interactive' and INTERACTIVE or BATCH,
    owner = fields[2] or WITHOUT_KEY,
    served = fields[1] == 'batch' and tonumber(fields[4] or 0) or 0, -- other jobs do not take turns
  }
end

local function entry_in_line(id, standing)
  return string.format('%s %s %012d %s', standing.rank, standing.owner, standing.served, id)
end

-- What an API key's jobs have used. One without work for a time does not save up its share: the least of the others counts.
local function used(kind, owner)
  local found = redis.call('HMGET', shares[kind], owner, LEAST)
  return math.max(tonumber(found[1] or 0), tonumber(found[2] or 0))
end

local function charge(kind, owner, ms)
  redis.call('HSET', shares[kind], owner, string.format('%d', used(kind, owner) + ms))
  redis.call('PEXPIRE', shares[kind], SHARES_MS)
end

-- Charge a running job's API key for its process, for the time since the last charge.
local function charge_process(record, time)
  local fields = redis.call('HMGET', record, 'kind', 'key', 'charged_at')
  if shares[fields[1]] and fields[3] then
    local ms = math.max(0, time - fields[3])
    charge(fields[1], fields[2] or WITHOUT_KEY, ms)
    redis.call('HINCRBY', record, 'served', ms)
    redis.call('HSET', record, 'charged_at', time)
  end
end

-- Call a function with the first job of each API key that has jobs of this rank in the line.
local function each_owner(kind, rank, visit)
  local from = '[' .. rank .. ' '
  while true do
    local entry = redis.call('ZRANGEBYLEX', lines[kind], from, '(' .. rank .. '!', 'LIMIT', 0, 1)[1]
    if not entry then
      return
    end
    local owner, served, id = string.match(entry, '^%d (%S+) (%d+) (%S+)$')
    if redis.call('ZSCORE', all_queued, id) then
      visit({id = id, rank = rank, owner = owner, served = tonumber(served), used = used(kind, owner)})
      from = '(' .. rank .. ' ' .. owner .. '!' -- '!' follows the space
    else -- an older version of the code, which has no line, changed its state
      redis.call('ZREM', lines[kind], entry)
    end
  end
end

-- How many processes of the queue work for each API key now.
local function processes_of_keys(kind)
  local counts = {}
  for _, id in ipairs(redis.call('ZRANGE', all_running, 0, MOST_RUNNING - 1)) do
    local running = standing_of(JOB_PREFIX .. id)
    if lines[running.kind] == lines[kind] then
      counts[running.owner] = (counts[running.owner] or 0) + 1 + redis.call('ZCARD', TAKEN_SHARDS_PREFIX .. id)
    end
  end
  return counts
end

-- How many jobs of an API key are running or in a line.
local function jobs_of_key(owner)
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
end

-- The first job of the line whose API key has fewer processes than the limit; nothing if there is none.
-- leaving: an API key that has one process less when the job starts
local function first_in_line(kind, leaving)
  local best = {}
  local counts = MOST_PROCESSES > 0 and processes_of_keys(kind) or {}
  for _, rank in ipairs({INTERACTIVE, BATCH}) do
    each_owner(kind, rank, function(job)
      local processes = (counts[job.owner] or 0) - (job.owner == leaving and 1 or 0)
      local allowed = MOST_PROCESSES == 0 or processes < MOST_PROCESSES
      local other = best[rank]
      if allowed and (not other or job.used < other.used or job.used == other.used and job.id < other.id) then
        best[rank] = job
      end
    end)
  end
  if best[INTERACTIVE] and best[BATCH] then
    local in_a_row = tonumber(redis.call('HGET', shares[kind], IN_A_ROW) or 0)
    return in_a_row < MOST_IN_A_ROW and best[INTERACTIVE] or best[BATCH]
  end
  return best[INTERACTIVE] or best[BATCH]
end

-- Whether a job in the line goes before a running one, which has had its turn of `turn_ms`.
local function goes_before(job, running, turn_ms)
  if job.rank ~= running.rank then
    return job.rank < running.rank
  elseif job.owner ~= running.owner then
    return job.used + turn_ms <= used(running.kind, running.owner)
  end
  return job.served + turn_ms <= running.served
end

-- Raise the least use that counts to that of the API keys with jobs now, and forget those that have used no more.
local function move_least(kind)
  local least = math.huge
  local function consider(job)
    least = math.min(least, job.used)
  end
  each_owner(kind, INTERACTIVE, consider)
  each_owner(kind, BATCH, consider)
  for _, id in ipairs(redis.call('ZRANGE', all_running, 0, MOST_RUNNING - 1)) do
    local running = standing_of(JOB_PREFIX .. id)
    if lines[running.kind] == lines[kind] then
      least = math.min(least, used(kind, running.owner))
    end
  end
  local all = redis.call('HGETALL', shares[kind])
  for i = 1, #all, 2 do
    if all[i] ~= LEAST and all[i] ~= IN_A_ROW and tonumber(all[i + 1]) <= least then
      redis.call('HDEL', shares[kind], all[i])
    end
  end
  if least > 0 and least < math.huge then
    redis.call('HSET', shares[kind], LEAST, string.format('%d', least))
    redis.call('PEXPIRE', shares[kind], SHARES_MS)
  end
end
