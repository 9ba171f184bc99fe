-- Take a job's lock for one fire, by the database's time, unless the row says that the asker must
-- think again. A row that somebody else is changing right now is not waited for: it is being taken,
-- or kept, or will be free by the next poll. To queue for it would make all askers take turns.
-- Inputs: %(job)s, %(token)s, %(ttl_s)s lease in seconds, %(fire_ms)s due time,
--         %(settled_ms)s the latest fire that the asker knows to be settled, 0 for none.
-- Result: one row (fence, settled_ms, open_ms). fence is null when the lock was not granted; the
--         other two are then what the row said when the statement began.
with free as (
    select job
    from job_lock
    where job = %(job)s
      and expires_at <= clock_timestamp()
      and settled_ms <= %(settled_ms)s
      and (open_ms <= %(settled_ms)s or open_ms = %(fire_ms)s)
    for update skip locked
), taken as (
    update job_lock set
        owner = %(token)s,
        expires_at = clock_timestamp() + make_interval(secs => %(ttl_s)s),
        fence = fence + 1,
        open_ms = %(fire_ms)s
    from free
    where job_lock.job = free.job
    returning fence
)
select (select fence from taken), settled_ms, open_ms
from job_lock
where job = %(job)s
