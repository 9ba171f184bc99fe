-- Enters the cluster, or enters it again.
-- in: instance text, now bigint (ms); result: none
INSERT INTO instance (name, checked_in_ms) VALUES (%(instance)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET checked_in_ms = excluded.checked_in_ms
