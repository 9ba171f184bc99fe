-- Adds a fire that is to be claimed, unless another instance has added it.
-- in: job text, due bigint (ms); result: none
INSERT INTO execution (job, due_ms, state) VALUES (%(job)s, %(due)s, 'PENDING')
ON CONFLICT DO NOTHING
