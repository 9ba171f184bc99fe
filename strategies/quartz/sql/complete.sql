-- Forgets ended fires and unblocks their triggers.
-- in: instance text, jobs text[], fences bigint[]
-- result: rows (job, fence) of the fires that were still the instance's
WITH ended AS (
    DELETE FROM fired
    USING unnest(%(jobs)s::text[], %(fences)s::bigint[]) AS e (job, fence)
    WHERE fired.job = e.job AND fired.fence = e.fence AND fired.instance = %(instance)s
    RETURNING fired.job, fired.fence
),
freed AS (
    UPDATE trigger
    SET state = CASE WHEN next_due_ms IS NULL THEN 'COMPLETE' ELSE 'WAITING' END
    FROM ended
    WHERE trigger.job = ended.job AND trigger.state = 'BLOCKED'
)
SELECT job, fence FROM ended
