-- The table of locks, one row per job. Run once per trial.
-- Input: {namespace} identifier, the trial's namespace. Result: none.
create schema if not exists {namespace};
create table if not exists {namespace}.job_lock (
    job        text primary key,
    owner      text not null default '',
    expires_at timestamptz not null default '-infinity',
    fence      bigint not null default 0,
    settled_ms bigint not null default 0,
    open_ms    bigint not null default 0
) with (fillfactor = 50)
