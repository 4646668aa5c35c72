-- The first part of every script that changes one job. Redis runs one script at a time, so each is a compare-and-set.
-- @arg id: the job's id
-- @key record: the job's record
-- @key events: its log
-- @key jobs: the ids of all jobs
-- @key leases: the claimed jobs, by the end of their lease
-- @key due: the queued jobs, by the time of their next message
-- @key sends: how often each queued job's message was sent again
-- @key ended: the ended jobs whose end is not on the volume yet
-- @key waiting: the queued batches and evaluations that need a process
-- @key blocked: the queued jobs that found the volume full
-- @keys queued: the queued jobs of each kind, by the kind
-- @keys in_state: the ids of the jobs in each state, by the state
-- @key counters: the counters of all jobs
-- @key deliveries: the webhook deliveries that are not settled yet
-- @key deliveries_due: those deliveries, by the time of the next try
-- @key archive_bytes: the bytes of the archives of each API key's jobs
-- @key shard_queue: the attempt that the job's shards belong to
-- @key open_shards: its shards that no process has taken
-- @key taken_shards: its shards that helpers work on
-- @key helper_requests: the requests for helpers
local shard_keys = {shard_queue, open_shards, taken_shards, helper_requests}

-- Let the script write even if the memory of Redis is full: Redis refuses the first write of a script if it needs memory,
-- but no write after one that only removes. The scripts that hold, end, requeue or delete a job call it first; those that
-- add jobs do not.
local function write_even_if_full()
  redis.call('HDEL', record, '') -- this field never exists
end

-- This server's clock in ms: the only clock for leases.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function count(name, by)
  redis.call('HINCRBY', counters, name, by)
end

-- Add the bytes of the job's archive to those of its API key, or subtract them.
local function count_archive(sign)
  local fields = redis.call('HMGET', record, 'key', 'archive_bytes')
  local owner = fields[1] or WITHOUT_KEY
  if fields[2] and redis.call('HINCRBY', archive_bytes, owner, sign * fields[2]) <= 0 then
    redis.call('HDEL', archive_bytes, owner)
  end
end

-- Add an event to the stream of all jobs' events, with what the record says about the job.
local function announce_own(event, text)
  local fields = redis.call('HMGET', record, 'kind', 'model')
  announce(id, fields[1], fields[2], event, text)
end

local function log(event, data)
  local text = cjson.encode(data)
  redis.call('XADD', events, 'MAXLEN', '~', MAX_EVENTS, '*', 'type', event, 'data', text)
  announce_own(event, text)
end

-- Enter a state: update the record, all sets that depend on the state, and the job's log. No other script does so. A record
-- is rebuilt in the state in which the job ended, and the log on the volume has that event.
local function enter(state, from, data)
  redis.call('HSET', record, 'state', state)
  local kind = redis.call('HGET', record, 'kind')
  if from or state == 'queued' then -- an ended job whose record is rebuilt was counted when it ended
    count('entered:' .. kind .. ':' .. state, 1)
  end
  if state == 'queued' then
    count('queued:' .. kind, 1)
  elseif from == 'queued' then
    count('queued:' .. kind, -1)
  end
  if lines[kind] then
    local entry = entry_in_line(id, standing_of(record))
    if state == 'queued' then
      move_least(kind) -- before it is in the line: an API key saves up no share while it has no jobs
      redis.call('ZADD', lines[kind], 0, entry)
    else
      redis.call('ZREM', lines[kind], entry)
    end
  end
  if from then
    redis.call('ZREM', in_state[from], id)
  end
  redis.call('ZADD', in_state[state], 0, id)
  if state ~= 'running' and state ~= 'cancelling' then
    redis.call('ZREM', leases, id)
    redis.call('HDEL', record, 'owner', 'token', 'killed', 'charged_at')
    redis.call('DEL', unpack(shard_keys)) -- it belonged to the attempt that is over
  end
  if state ~= 'queued' then
    redis.call('ZREM', due, id)
    redis.call('HDEL', sends, id)
    redis.call('ZREM', waiting, id)
    redis.call('ZREM', blocked, id)
    redis.call('HDEL', record, 'waiting')
    if queued[kind] then
      redis.call('ZREM', queued[kind], id)
    end
  else
    if kind == 'batch' or kind == 'evaluation' then -- both need a classifier
      redis.call('ZADD', waiting, now(), id)
    end
    if queued[kind] then -- a kind that only a newer version has is not in the table
      redis.call('ZADD', queued[kind], redis.call('HGET', record, 'waiting_since') or now(), id)
    end
  end
  data = data or {}
  data.state = state
  data.attempt = tonumber(redis.call('HGET', record, 'attempt'))
  if from or state == 'queued' then
    log('state', data)
  end
end

-- If the job has a webhook, store the delivery of its end, with the record as it is now.
local function owe_delivery()
  if redis.call('HEXISTS', record, 'webhook') == 1 then
    local delivery = 'msg_' .. id .. '_' .. redis.call('HGET', record, 'finished_at')
    redis.call('HSET', deliveries, delivery, cjson.encode({tries = 0, record = redis.call('HGETALL', record)}))
    redis.call('ZADD', deliveries_due, now(), delivery)
  end
end

-- Count how long the job ran, and a batch's images, without those that an earlier end of this job counted.
local function count_end(time)
  local fields = redis.call('HMGET', record, 'kind', 'started_at', 'result')
  local kind, started, result = fields[1], tonumber(fields[2]), fields[3]
  if started then
    local seconds, bound = (time - started) / 1000, 'inf'
    for i = #BOUNDS, 1, -1 do -- from capacity/counters.py
      bound = seconds <= BOUNDS[i] and BOUNDS[i] or bound
    end
    count('seconds:' .. kind .. ':' .. bound, 1)
    redis.call('HINCRBYFLOAT', counters, 'seconds:' .. kind .. ':sum', seconds)
  end
  if kind == 'batch' and result then
    result = cjson.decode(result)
    for _, outcome in ipairs({'succeeded', 'failed'}) do
      local images = tonumber(result[outcome]) or 0
      local uncounted = images - tonumber(redis.call('HGET', record, 'counted_' .. outcome) or 0)
      if uncounted > 0 then
        count('images:' .. outcome, uncounted)
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
  owe_delivery()
end

-- Whether the caller holds the newest claim, and the job's state. The token includes the owner because attempts restart
-- from 0 if the records are lost and rebuilt.
local function holds(token)
  local fields = redis.call('HMGET', record, 'state', 'token')
  return fields[2] == token and (fields[1] == 'running' or fields[1] == 'cancelling'), fields[1]
end
