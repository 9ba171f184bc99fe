-- Let a lock live longer, if the caller owns it.
-- KEYS[1] lock; ARGV[1] token, ARGV[2] lease in ms from now
-- Result: 1 when it was extended, 0 when the lock is gone or somebody else's
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
