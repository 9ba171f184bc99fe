-- Let a lock live longer, if the caller owns it and it has not expired.
-- Inputs: %(job)s, %(token)s, %(ttl_s)s lease in seconds from now.
-- Result: one row when it was extended, none when it was not.
update job_lock
set expires_at = clock_timestamp() + make_interval(secs => %(ttl_s)s)
where job = %(job)s and owner = %(token)s and expires_at > clock_timestamp()
returning 1
