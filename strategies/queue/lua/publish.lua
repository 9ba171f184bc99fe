-- Publish fires, each once, whoever asks how often.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  publisher; ARGV[2] how long a fire's state is kept, ms
-- ARGV[3...] per fire: job, due ms, overlap policy, misfire policy
-- result   per fire "outcome|previous|replaced": outcome is published, waiting (behind the job's
--          unfinished message), skipped (its run is open) or known (published before); previous is
--          the due time published last before this one, replaced that of the waiting fire whose
--          place this one took; both may be empty
--
-- The mark of a job holds the last answer too, so that a publisher that lost it is told again.
local prefix, publisher, kept_ms = KEYS[1], ARGV[1], ARGV[2]

local function enqueue(job, due, overlap, misfire, state)
  local ticket = overlap .. ':0:0:' .. due .. ':' .. job
  local open = overlap == 'forbid' and redis.call('HGET', prefix .. 'open', job)
  if not open then
    if overlap == 'forbid' then redis.call('HSET', prefix .. 'open', job, due) end
    redis.call('XADD', prefix .. 'messages', '*', 'ticket', ticket)
    return 'published', ''
  end
  if misfire == 'skip' and
      redis.call('GET', prefix .. 'state:' .. job .. '@' .. open) == 'RUNNING' then
    redis.call('DEL', state)
    return 'skipped', ''
  end
  local waiting = prefix .. 'waiting:' .. job
  local last = misfire ~= 'run-all' and redis.call('LINDEX', waiting, -1)
  local replaced = last and string.match(last, '^forbid:0:0:(%d+):')
  if replaced then
    redis.call('LSET', waiting, -1, ticket)
    redis.call('DEL', prefix .. 'state:' .. job .. '@' .. replaced)
    return 'waiting', replaced
  end
  redis.call('RPUSH', waiting, ticket)
  return 'waiting', ''
end

local function publish(job, due, overlap, misfire)
  local mark = redis.call('HGET', prefix .. 'published', job)
  local last, by, answer = '', '', ''
  if mark then last, by, answer = string.match(mark, '^(%d+) (%S+) (.*)$') end
  if last == due and by == publisher then return answer end
  if mark and tonumber(due) <= tonumber(last) then return 'known||' end
  local state = prefix .. 'state:' .. job .. '@' .. due
  if not redis.call('SET', state, 'PENDING', 'NX', 'PX', kept_ms) then return 'known||' end
  local outcome, replaced = enqueue(job, due, overlap, misfire, state)
  answer = outcome .. '|' .. last .. '|' .. replaced
  redis.call('HSET', prefix .. 'published', job, due .. ' ' .. publisher .. ' ' .. answer)
  return answer
end

local answers = {}
for i = 3, #ARGV, 4 do
  answers[#answers + 1] = publish(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
return answers
