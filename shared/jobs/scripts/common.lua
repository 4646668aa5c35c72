-- Stands before every script. Each step of a job is one script, which Redis runs alone: a compare-and-set.
-- KEYS, in every script: 1 the job's record, 2 its events, 3 the leases, 4 the due times, 5 the counts of sends, 6 all
-- jobs, 7 the ends that are not on the volume yet, 8 the batches that wait for a process, 9 the notices that webhooks are
-- owed, 10 when each is due, 11 to 14 the job's ledger of shards, 15 the jobs that found the volume full, then the queued
-- jobs of each kind, which QUEUED gives by the kind's name, then the sorted sets of the ids in each state, which STATE_KEYS
-- gives by the state's name, and last the tally. ARGV[1] is the job's id, ARGV[2] the names of the states in the
-- order of their keys.
local record, events, leases, due, sends, jobs, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local waiting, notices, notices_due = KEYS[8], KEYS[9], KEYS[10]
local ledger = {KEYS[11], KEYS[12], KEYS[13], KEYS[14]}
local blocked = KEYS[15]
local id = ARGV[1]
local QUEUED, STATE_KEYS = {}, {}
for i, kind in ipairs(KINDS) do
  QUEUED[kind] = KEYS[15 + i]
end
for i, state in ipairs(cjson.decode(ARGV[2])) do
  STATE_KEYS[state] = KEYS[15 + #KINDS + i]
end

-- This server's clock in ms: the only clock that a lease knows.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local tally = KEYS[#KEYS]
local function count(name, by)
  redis.call('HINCRBY', tally, name, by)
end

local function log(kind, data)
  redis.call('XADD', events, 'MAXLEN', '~', 10000, '*', 'type', kind, 'data', cjson.encode(data))
end

-- Write the job's new state wherever it stands. What a state implies beyond its name is done here and nowhere else.
local function enter(state, from, data)
  redis.call('HSET', record, 'state', state)
  local kind = redis.call('HGET', record, 'kind')
  if from or state == 'queued' then -- an ended job whose record is written anew was counted when it ended
    count('entered:' .. kind .. ':' .. state, 1)
  end
  if state == 'queued' then
    count('queued:' .. kind, 1)
  elseif from == 'queued' then
    count('queued:' .. kind, -1)
  end
  if from then
    redis.call('ZREM', STATE_KEYS[from], id)
  end
  redis.call('ZADD', STATE_KEYS[state], 0, id)
  if state ~= 'running' and state ~= 'cancelling' then
    redis.call('ZREM', leases, id)
    redis.call('HDEL', record, 'owner', 'token', 'killed')
    redis.call('DEL', unpack(ledger)) -- it was the attempt's
  end
  if state ~= 'queued' then
    redis.call('ZREM', due, id)
    redis.call('HDEL', sends, id)
    redis.call('ZREM', waiting, id)
    redis.call('ZREM', blocked, id)
    redis.call('HDEL', record, 'waiting')
    if QUEUED[kind] then
      redis.call('ZREM', QUEUED[kind], id)
    end
  else
    if kind == 'batch' then
      redis.call('ZADD', waiting, now(), id)
    end
    if QUEUED[kind] then -- a newer version's kind has a queue of its own
      redis.call('ZADD', QUEUED[kind], redis.call('HGET', record, 'waiting_since') or now(), id)
    end
  end
  data = data or {}
  data.state = state
  data.attempt = tonumber(redis.call('HGET', record, 'attempt'))
  log('state', data)
end

-- Write down that the job's webhook, if it has one, is owed the news of its end, with the record as it is now.
local function owe_notice()
  if redis.call('HEXISTS', record, 'webhook') == 1 then
    local notice = 'msg_' .. id .. '_' .. redis.call('HGET', record, 'finished_at')
    redis.call('HSET', notices, notice, cjson.encode({tries = 0, record = redis.call('HGETALL', record)}))
    redis.call('ZADD', notices_due, now(), notice)
  end
end

-- Count how long the job ran, and a batch's images: those that no earlier end of this job has counted.
local function count_end(time)
  local fields = redis.call('HMGET', record, 'kind', 'started_at', 'result')
  local kind, started, result = fields[1], tonumber(fields[2]), fields[3]
  if started then
    local seconds, bound = (time - started) / 1000, 'inf'
    for i = #BOUNDS, 1, -1 do -- tally.py has them
      bound = seconds <= BOUNDS[i] and BOUNDS[i] or bound
    end
    count('seconds:' .. kind .. ':' .. bound, 1)
    redis.call('HINCRBYFLOAT', tally, 'seconds:' .. kind .. ':sum', seconds)
  end
  if kind == 'batch' and result then
    result = cjson.decode(result)
    for _, outcome in ipairs({'succeeded', 'failed'}) do
      local images = tonumber(result[outcome]) or 0
      local fresh = images - tonumber(redis.call('HGET', record, 'counted_' .. outcome) or 0)
      if fresh > 0 then
        count('images:' .. outcome, fresh)
        redis.call('HSET', record, 'counted_' .. outcome, images)
      end
    end
  end
end

local function finish(state, from, data)
  local time = now()
  count_end(time)
  redis.call('HSET', record, 'finished_at', time)
  redis.call('HDEL', record, 'waiting_since')
  redis.call('ZADD', ended, time, id)
  enter(state, from, data)
  owe_notice()
end

-- Whether the caller holds the newest claim. The owner belongs to the token: attempts count from the beginning again
-- where the records were lost and rebuilt.
local function holds(token)
  local fields = redis.call('HMGET', record, 'state', 'token')
  return fields[2] == token and (fields[1] == 'running' or fields[1] == 'cancelling'), fields[1]
end
