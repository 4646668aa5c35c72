-- The first part of every script of a job's shard queue.
-- @key record: the job's record
-- @key shard_queue: the attempt that the shards belong to, and how many images its helpers have finished
-- @key open_shards: the shards that no process has taken
-- @key taken_shards: the shards that helpers work on, by the end of their lease
-- @key helper_requests: the unanswered requests for helpers, by the time at which they count as lost
-- @key waiting: the queued batches and evaluations that need a process
-- @key handover: a lock that expires: a process has just left a batch for a job that waits
-- @arg token: the token of the caller's attempt

local IDLE_CLAIM_MS, HANDOVER_MS, TURN_MS, HELPERS_MS = 100, 250, 2000, 3000

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether the job runs under the caller's attempt.
local function runs()
  local fields = redis.call('HMGET', record, 'state', 'token')
  return fields[1] == 'running' and fields[2] == token
end

-- Whether the job runs under the caller's attempt, and the shard queue belongs to that attempt.
local function valid()
  return runs() and redis.call('HGET', shard_queue, 'token') == token
end

local function another_job_waits()
  return redis.call('ZCOUNT', waiting, '-inf', now()) > 0
end

-- Whether the coordinator leaves its process to a job that is next: for a higher priority at once, else after its turn. One
-- process at a time leaves, and not for a job that an idle process is about to claim. Helpers leave first; a job of a higher
-- priority does not wait for one that is lost or slow.
local function hands_over(turn_ms)
  if redis.call('ZCOUNT', waiting, '-inf', now() - IDLE_CLAIM_MS) == 0 then
    return false
  end
  local own = standing_of(record)
  local first = first_in_line(own.kind, own.owner)
  if not first or not goes_before(first, own, turn_ms) then
    return false
  end
  if redis.call('EXISTS', taken_shards) == 1 then
    local since = first.rank < own.rank and redis.call('ZSCORE', waiting, first.id)
    if not since or now() - since < HELPERS_MS then
      return false
    end
  end
  return redis.call('SET', handover, '', 'NX', 'PX', HANDOVER_MS) and true
end

-- Whether a helper leaves for a job that waits.
local function leaves()
  if not another_job_waits() then
    return false
  end
  local own = standing_of(record)
  local first = first_in_line(own.kind, own.owner)
  return not first and MOST_PROCESSES == 0 or first and goes_before(first, own, 0)
end

-- How many more processes may work for an API key.
local function more_processes(kind, owner)
  return MOST_PROCESSES == 0 and math.huge or MOST_PROCESSES - (processes_of_keys(kind)[owner] or 0)
end

-- The running batch with open shards that a helper of this one goes to: one of a higher priority, or of another API key that
-- has used less by more than a turn; not one whose API key has its most processes.
local function other_batch()
  local own = standing_of(record)
  for _, id in ipairs(redis.call('ZRANGE', all_running, 0, MOST_RUNNING - 1)) do
    local other = standing_of(JOB_PREFIX .. id)
    if other.kind == 'batch' and (other.owner ~= own.owner or other.rank < own.rank)
      and redis.call('EXISTS', OPEN_SHARDS_PREFIX .. id) == 1 then
      other.used = used(other.kind, other.owner)
      if goes_before(other, own, TURN_MS) and more_processes(other.kind, other.owner) >= 1 then
        return id
      end
    end
  end
  return false
end

-- A running batch continues even if the memory of Redis is full: see write_even_if_full in ../common.lua.
redis.call('HDEL', record, '')
