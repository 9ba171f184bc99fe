-- A row for each job's lock, free and with nothing remembered.
-- Input: %(jobs)s names. Result: none.
insert into job_lock (job) select unnest(%(jobs)s::text[]) on conflict do nothing
