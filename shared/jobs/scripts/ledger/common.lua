-- Stands before every script of the ledger.
-- KEYS, in every script: 1 the job's record, 2 the ledger, 3 its open shards, 4 its taken shards, 5 its invitations, 6 the
-- batches that wait for a process. ARGV[1] is the token of the attempt for which the caller works.
local record, ledger, open, taken, invitations, waiting = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether the job runs under the caller's attempt.
local function runs()
  local fields = redis.call('HMGET', record, 'state', 'token')
  return fields[1] == 'running' and fields[2] == ARGV[1]
end

-- Whether, besides, the ledger is this attempt's.
local function valid()
  return runs() and redis.call('HGET', ledger, 'token') == ARGV[1]
end

local function a_batch_waits()
  return redis.call('ZCOUNT', waiting, '-inf', now()) > 0
end
