-- Gives back what the instance has acquired and not begun.
-- in: instance text; result: none
WITH given AS (
    DELETE FROM fired
    WHERE instance = %(instance)s AND state = 'ACQUIRED'
    RETURNING job, fence
)
UPDATE trigger SET state = 'WAITING'
FROM given
WHERE trigger.job = given.job AND trigger.fence = given.fence AND trigger.state = 'ACQUIRED'
