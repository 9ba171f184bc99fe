-- The tables of one cluster, made once per trial inside its namespace (the search path).
-- in: nothing; result: none
--
-- instance  one row per living instance: QRTZ_SCHEDULER_STATE
-- trigger   one row per job: QRTZ_TRIGGERS. WAITING -> ACQUIRED -> BLOCKED (overlap forbidden) or
--           WAITING (overlap allowed); COMPLETE after the last fire. fence counts the grants.
-- fired     one row per granted fire, deleted when it completes: QRTZ_FIRED_TRIGGERS
-- lock      the rows that single-lock mode takes FOR UPDATE: QRTZ_LOCKS
CREATE TABLE IF NOT EXISTS instance (
    name text PRIMARY KEY,
    checked_in_ms bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS trigger (
    job text PRIMARY KEY,
    next_due_ms bigint,
    state text NOT NULL DEFAULT 'WAITING',
    fence bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS trigger_waiting ON trigger (next_due_ms) WHERE state = 'WAITING';
CREATE TABLE IF NOT EXISTS fired (
    job text NOT NULL,
    fence bigint NOT NULL,
    due_ms bigint NOT NULL,
    instance text NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (job, fence)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS lock (name text PRIMARY KEY);
INSERT INTO lock VALUES ('TRIGGER_ACCESS') ON CONFLICT DO NOTHING
