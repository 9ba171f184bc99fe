-- The control: every call publishes every fire again, as a random message id does.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  publisher; ARGV[2] how long a fire's state is kept, ms
-- ARGV[3...] per fire: job, due ms, overlap policy, misfire policy (as for publish.lua)
-- result   per fire "published||"
local answers = {}
for i = 3, #ARGV, 4 do
  local ticket = 'allow:0:0:' .. ARGV[i + 1] .. ':' .. ARGV[i]
  redis.call('XADD', KEYS[1] .. 'messages', '*', 'ticket', ticket)
  redis.call('SET', KEYS[1] .. 'state:' .. ARGV[i] .. '@' .. ARGV[i + 1], 'PENDING', 'PX', ARGV[2])
  redis.call('HSET', KEYS[1] .. 'published', ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[1] .. ' ||')
  answers[#answers + 1] = 'published||'
end
return answers
