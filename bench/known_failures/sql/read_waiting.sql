-- Reads the waiting triggers that are due, and locks nothing.
-- in: until bigint (ms), batch int; result: rows (job)
SELECT job FROM trigger
WHERE state = 'WAITING' AND next_due_ms <= %(until)s
ORDER BY next_due_ms
LIMIT %(batch)s
