-- Takes waiting triggers that are due, passing over those that another instance is taking.
-- in: instance text, until bigint (ms), batch int; result: rows (job, fence, due_ms)
-- The instance's own row is share-locked: who is being declared dead is given nothing, and a
-- recovery that has begun sees all that was given before.
WITH me AS MATERIALIZED (
    SELECT name FROM instance WHERE name = %(instance)s FOR KEY SHARE
),
due AS MATERIALIZED (
    SELECT job FROM trigger
    WHERE state = 'WAITING' AND next_due_ms <= %(until)s AND EXISTS (SELECT FROM me)
    ORDER BY next_due_ms
    LIMIT %(batch)s
    FOR NO KEY UPDATE SKIP LOCKED
),
taken AS (
    UPDATE trigger SET state = 'ACQUIRED', fence = trigger.fence + 1
    FROM due
    WHERE trigger.job = due.job
    RETURNING trigger.job, trigger.fence, trigger.next_due_ms
)
INSERT INTO fired (job, fence, due_ms, instance, state)
SELECT job, fence, next_due_ms, %(instance)s, 'ACQUIRED' FROM taken
RETURNING job, fence, due_ms
