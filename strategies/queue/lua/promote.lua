-- Publish again the failed fires whose back-off is over.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  at most how many; ARGV[2] how long a fire's state is kept, ms
-- result   how many were moved
--
-- Under overlap forbid a fire goes to the head of its job's waiting list while another is unfinished.
local prefix = KEYS[1]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local due_now = redis.call('ZRANGEBYSCORE', prefix .. 'retries', '-inf', now_ms, 'LIMIT', 0, ARGV[1])
for _, ticket in ipairs(due_now) do
  local overlap, due, job = string.match(ticket, '^(%a+):%d+:%d+:(%d+):(.*)$')
  redis.call('ZREM', prefix .. 'retries', ticket)
  redis.call('SET', prefix .. 'state:' .. job .. '@' .. due, 'PENDING', 'PX', ARGV[2])
  if overlap == 'forbid' and redis.call('HEXISTS', prefix .. 'open', job) == 1 then
    redis.call('LPUSH', prefix .. 'waiting:' .. job, ticket)
  else
    if overlap == 'forbid' then redis.call('HSET', prefix .. 'open', job, due) end
    redis.call('XADD', prefix .. 'messages', '*', 'ticket', ticket)
  end
end
return #due_now
