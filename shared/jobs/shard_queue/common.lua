-- The first part of every script of a job's shard queue.
-- @key record: the job's record
-- @key shard_queue: the attempt that the shards belong to, and how many images its helpers have finished
-- @key open_shards: the shards that no process has taken
-- @key taken_shards: the shards that helpers work on, by the end of their lease
-- @key helper_requests: the unanswered requests for helpers, by the time at which they count as lost
-- @key waiting: the queued batches and evaluations that need a process
-- @arg token: the token of the caller's attempt

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

-- A running batch continues even if the memory of Redis is full: see write_even_if_full in ../common.lua.
redis.call('HDEL', record, '')
