-- Delete a lock, if the caller owns it.
-- KEYS[1] lock; ARGV[1] token
-- Result: 1 when it was deleted, 0 when the lock is gone or somebody else's
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
