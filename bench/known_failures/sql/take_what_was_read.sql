-- Takes triggers that were read before, without looking whether they still wait.
-- in: instance text, jobs text[]; result: rows (job, fence, due_ms)
WITH taken AS (
    UPDATE trigger SET state = 'ACQUIRED', fence = trigger.fence + 1
    WHERE job = ANY (%(jobs)s::text[]) AND next_due_ms IS NOT NULL
    RETURNING job, fence, next_due_ms
)
INSERT INTO fired (job, fence, due_ms, instance, state)
SELECT job, fence, next_due_ms, %(instance)s, 'ACQUIRED' FROM taken
RETURNING job, fence, due_ms
