-- Claims a fire: only one instance finds it still pending.
-- in: job text, due bigint (ms); result: one row for the winner, none for the others
UPDATE execution SET state = 'IN_PROGRESS'
WHERE job = %(job)s AND due_ms = %(due)s AND state = 'PENDING'
RETURNING job
