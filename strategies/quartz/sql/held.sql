-- All fired rows of the instance.
-- in: instance text; result: rows (job, fence, due_ms, begun boolean)
SELECT job, fence, due_ms, state = 'EXECUTING' AS begun
FROM fired
WHERE instance = %(instance)s
ORDER BY due_ms
