-- End deliveries that are still this consumer's, and let the jobs' next waiting fires go.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  consumer; ARGV[2] how long a fire's state is kept, ms
-- ARGV[3...] per message "id|deliveries|verdict|detail|ticket": verdict is ack, retry (detail: back-off
--          in ms) or bury (detail: the reason, one word)
-- result   per message 1 (settled) or 0 (not ours any more, nothing done), in one text
--
-- A fire in its back-off does not hold the job's place: later fires run meanwhile.
local prefix, consumer, kept_ms = KEYS[1], ARGV[1], ARGV[2]
local stream, ended = prefix .. 'messages', {}

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function release(job)
  local ticket = redis.call('LPOP', prefix .. 'waiting:' .. job)
  if ticket then
    redis.call('HSET', prefix .. 'open', job, string.match(ticket, '^%a+:%d+:%d+:(%d+):'))
    redis.call('XADD', stream, '*', 'ticket', ticket)
  else
    redis.call('HDEL', prefix .. 'open', job)
  end
end

local function settle(id, deliveries, verdict, detail, ticket)
  local pending = redis.call('XPENDING', stream, 'workers', id, id, 1, consumer)[1]
  if not pending or pending[4] ~= tonumber(deliveries) then return '0' end
  ended[#ended + 1] = id
  local overlap, before, tries, due, job = string.match(ticket, '^(%a+):(%d+):(%d+):(%d+):(.*)$')
  local used = overlap .. ':' .. before + deliveries .. ':' .. tries + deliveries .. ':'
    .. due .. ':' .. job
  local state = 'COMPLETED'
  if verdict == 'retry' then
    state = 'FAILED'
    redis.call('ZADD', prefix .. 'retries', now_ms() + detail, used)
  elseif verdict == 'bury' then
    state = 'DEAD'
    redis.call('XADD', prefix .. 'dead', '*', 'reason', detail, 'ticket', used)
  end
  redis.call('SET', prefix .. 'state:' .. job .. '@' .. due, state, 'PX', kept_ms)
  if overlap == 'forbid' then release(job) end
  return '1'
end

local answer = {}
for i = 3, #ARGV do
  answer[#answer + 1] = settle(string.match(ARGV[i], '^([^|]+)|(%d+)|(%a+)|([^|]*)|(.*)$'))
end
if #ended > 0 then
  redis.call('XACK', stream, 'workers', unpack(ended))
  redis.call('XDEL', stream, unpack(ended))
end
return table.concat(answer)
