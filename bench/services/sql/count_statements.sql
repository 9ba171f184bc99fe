-- The statements that clients have sent since the server started its statistics.
-- Input: none. Result: one row, one number. Nested statements are not counted (they cost no
-- round trip), nor are the bench's own, known by the mark in them.
select /* coordbench looks */ coalesce(sum(calls), 0)::float8
from pg_stat_statements
where toplevel and query not like '%/* coordbench looks */%'
