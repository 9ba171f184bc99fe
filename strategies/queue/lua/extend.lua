-- Start (and restart) the visibility of messages that are still this consumer's.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  consumer; ARGV[2] how long a fire's state is kept, ms
-- ARGV[3...] per message "id|deliveries|fire id"
-- result   per message 1 (still ours: idle time back to 0, state RUNNING) or 0, in one text
--
-- The delivery count tells this delivery from a later one to the same consumer. JUSTID leaves the
-- count as it is.
local stream = KEYS[1] .. 'messages'
local answer = {}
for i = 3, #ARGV do
  local id, deliveries, fire = string.match(ARGV[i], '^([^|]+)|(%d+)|(.*)$')
  local pending = redis.call('XPENDING', stream, 'workers', id, id, 1, ARGV[1])[1]
  if pending and pending[4] == tonumber(deliveries) then
    redis.call('XCLAIM', stream, 'workers', ARGV[1], 0, id, 'JUSTID')
    redis.call('SET', KEYS[1] .. 'state:' .. fire, 'RUNNING', 'PX', ARGV[2])
    answer[#answer + 1] = '1'
  else
    answer[#answer + 1] = '0'
  end
end
return table.concat(answer)
