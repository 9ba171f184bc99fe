-- Take over messages whose worker has not extended them for the visibility time.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  consumer; ARGV[2] visibility, ms; ARGV[3] where the scan goes on; ARGV[4] at most how many
-- result   first line: where the next scan goes on ("0-0" at the end); then per message one line
--          "id|deliveries|ticket"
--
-- Redis measures the idle time by its own wall clock. A message left by a consumer is counted as
-- delivered once more by the claim itself.
local stream = KEYS[1] .. 'messages'
local answer = redis.call('XAUTOCLAIM', stream, 'workers', ARGV[1], ARGV[2], ARGV[3],
  'COUNT', ARGV[4])
local lines = { answer[1] }
for _, entry in ipairs(answer[2]) do
  if entry then  -- Redis 6.2 gives nothing for an entry that was deleted
    local pending = redis.call('XPENDING', stream, 'workers', entry[1], entry[1], 1)[1]
    lines[#lines + 1] = entry[1] .. '|' .. pending[4] .. '|' .. entry[2][2]
  end
end
return table.concat(lines, '\n')
