-- Give a lock back and remember the fire that ended. A lock that expired unnoticed still counts as
-- the caller's while nobody has been granted it since.
-- Inputs: %(job)s, %(token)s, %(settled_ms)s due time of the fire, 0 for none.
-- Result: one row when it was the caller's, none when it was not.
update job_lock
set expires_at = '-infinity',
    settled_ms = case when %(settled_ms)s > 0 then %(settled_ms)s else settled_ms end
where job = %(job)s and owner = %(token)s
returning 1
