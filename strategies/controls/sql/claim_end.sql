-- Records how a claimed fire ended.
-- in: job text, due bigint (ms), state text (COMPLETED or FAILED); result: none
UPDATE execution SET state = %(state)s WHERE job = %(job)s AND due_ms = %(due)s
