-- A row for a job's lock, free and with nothing remembered.
-- Inputs: {schema} identifier, %(job)s name. Result: none.
insert into {schema}.job_lock (job) values (%(job)s) on conflict do nothing
