-- Receive new messages without waiting, and begin them, in one step.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  consumer; ARGV[2] how long a fire's state is kept, ms; ARGV[3] at most how many
-- result   per message one line "id|deliveries|ticket", lines joined by newlines
--
-- Their visibility starts now, so that no extension has to follow; one text instead of nested
-- arrays costs the client a fraction.
local answer = redis.call('XREADGROUP', 'GROUP', 'workers', ARGV[1], 'COUNT', ARGV[3],
  'STREAMS', KEYS[1] .. 'messages', '>')
local lines = {}
for _, entry in ipairs(answer and answer[1][2] or {}) do
  local ticket = entry[2][2]
  local due, job = string.match(ticket, '^%a+:%d+:%d+:(%d+):(.*)$')
  redis.call('SET', KEYS[1] .. 'state:' .. job .. '@' .. due, 'RUNNING', 'PX', ARGV[2])
  lines[#lines + 1] = entry[1] .. '|1|' .. ticket
end
return table.concat(lines, '\n')
