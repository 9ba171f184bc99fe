-- Take one dead letter back: its tries start anew, its deliveries count on.
--
-- KEYS[1]  prefix of the queue's keys
-- ARGV[1]  the dead letter's id
-- result   1, or 0 when there is no such letter (replayed already)
--
-- It goes through the retry set, so that it waits for its job's place like any other.
local letter = redis.call('XRANGE', KEYS[1] .. 'dead', ARGV[1], ARGV[1])[1]
if not letter then return 0 end
local overlap, before, fire = string.match(letter[2][4], '^(%a+):(%d+):%d+:(.*)$')
redis.call('XDEL', KEYS[1] .. 'dead', ARGV[1])
redis.call('ZADD', KEYS[1] .. 'retries', 0, overlap .. ':' .. before .. ':0:' .. fire)
return 1
