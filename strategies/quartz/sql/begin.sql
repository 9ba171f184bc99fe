-- Begins granted fires and moves their triggers on to the next fire.
-- in: instance text; arrays, one element per fire: jobs text[], fences bigint[], due bigint[] (the
--     fire that is run, ms), next_due bigint[] (null after the last), blocks boolean[]
-- result: rows (job, fence) of the fires that were still the instance's
-- Asked twice, it changes nothing the second time: by then the trigger has left this grant.
WITH begun AS (
    UPDATE fired SET state = 'EXECUTING', due_ms = b.due_ms
    FROM unnest(
        %(jobs)s::text[], %(fences)s::bigint[], %(due)s::bigint[],
        %(next_due)s::bigint[], %(blocks)s::boolean[]
    ) AS b (job, fence, due_ms, next_due_ms, blocks)
    WHERE fired.job = b.job AND fired.fence = b.fence AND fired.instance = %(instance)s
    RETURNING fired.job, fired.fence, b.next_due_ms, b.blocks
),
moved AS (
    UPDATE trigger SET next_due_ms = begun.next_due_ms, state = CASE
        WHEN begun.blocks THEN 'BLOCKED'
        WHEN begun.next_due_ms IS NULL THEN 'COMPLETE'
        ELSE 'WAITING'
    END
    FROM begun
    WHERE trigger.job = begun.job AND trigger.fence = begun.fence AND trigger.state = 'ACQUIRED'
)
SELECT job, fence FROM begun
