-- Takes over the fired rows of dead instances: what was only acquired goes back to waiting, what
-- was begun becomes the instance's under a new fence, or is forgotten without `rerun`.
-- in: instance text, dead text[], rerun boolean; result: rows (job, fence, due_ms) to run again
WITH lost AS MATERIALIZED (
    SELECT f.job, f.fence, f.due_ms, t.fence AS last_fence,
        f.state = 'EXECUTING' AS begun, f.state = 'EXECUTING' AND %(rerun)s AS again
    FROM fired AS f JOIN trigger AS t USING (job)
    WHERE f.instance = ANY (%(dead)s)
    FOR UPDATE
),
removed AS (
    DELETE FROM fired USING lost
    WHERE fired.job = lost.job AND fired.fence = lost.fence
),
per_job AS (
    SELECT job, count(*) FILTER (WHERE again) AS grants, bool_or(not begun) AS acquired,
        bool_or(begun AND NOT again) AS forgotten
    FROM lost GROUP BY job
),
moved AS (
    UPDATE trigger SET fence = trigger.fence + per_job.grants, state = CASE
        WHEN state = 'ACQUIRED' AND acquired THEN 'WAITING'
        WHEN state = 'BLOCKED' AND forgotten AND next_due_ms IS NULL THEN 'COMPLETE'
        WHEN state = 'BLOCKED' AND forgotten THEN 'WAITING'
        ELSE state
    END
    FROM per_job
    WHERE trigger.job = per_job.job
)
INSERT INTO fired (job, fence, due_ms, instance, state)
SELECT job, last_fence + row_number() OVER (PARTITION BY job ORDER BY fence), due_ms,
    %(instance)s, 'EXECUTING'
FROM lost
WHERE again
RETURNING job, fence, due_ms
