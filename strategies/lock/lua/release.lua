-- Give a job's lock back and remember the fire that ended, in one step.
-- A lock that expired unnoticed still counts as ours while nobody has been granted it since.
-- KEYS[1] lock, KEYS[2] memory of the job (hash: fence, settled, open, owner)
-- ARGV[1] token, ARGV[2] due time in ms of the fire that ended, '0' for none
-- Result: 1 when it was ours, 0 when it was not (nothing is changed)
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
elseif redis.call('HGET', KEYS[2], 'owner') ~= ARGV[1] then
    return 0
end
if ARGV[2] ~= '0' then
    redis.call('HSET', KEYS[2], 'settled', ARGV[2])
end
return 1
