-- Take a job's lock for one fire, unless the memory says that the asker must think again.
-- KEYS[1] lock, KEYS[2] memory of the job (hash: fence, settled, open, owner)
-- ARGV[1] token, ARGV[2] lease in ms, ARGV[3] due time of the fire in ms,
-- ARGV[4] due time of the latest fire that the asker knows to be settled, 0 for none
-- Result: the fence (>= 1) when granted; 0 when held by somebody else;
--         {settled, open} when the memory knows of more than the asker does
local memory = redis.call('HMGET', KEYS[2], 'settled', 'open', 'fence')
local settled, open = tonumber(memory[1] or 0), tonumber(memory[2] or 0)
local due, known = tonumber(ARGV[3]), tonumber(ARGV[4])
if settled > known or (open > known and open ~= due) then
    return {settled, open}
end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
    return 0
end
local fence = tonumber(memory[3] or 0) + 1
redis.call('HSET', KEYS[2], 'fence', fence, 'open', ARGV[3], 'owner', ARGV[1])
return fence
