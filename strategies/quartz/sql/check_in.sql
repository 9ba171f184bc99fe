-- Says that the instance lives.
-- in: instance text, now bigint (ms); result: one row, or none when it was declared dead
UPDATE instance SET checked_in_ms = %(now)s WHERE name = %(instance)s RETURNING name
