-- The transactions that clients have ended, where pg_stat_statements is not installed.
-- Input: none. Result: one row, one number; it counts this reading too, one a call.
select coalesce(sum(xact_commit + xact_rollback), 0)::float8
from pg_stat_database
where datname = current_database()
