-- Creates the triggers that do not exist yet.
-- in: jobs text[], due bigint[] (first due times, ms); result: none
INSERT INTO trigger (job, next_due_ms)
SELECT job, due_ms
FROM unnest(%(jobs)s::text[], %(due)s::bigint[]) AS first (job, due_ms)
ORDER BY job
ON CONFLICT DO NOTHING
