-- The table of the claim control, made once per trial inside its namespace (the search path).
-- in: nothing; result: none
CREATE TABLE IF NOT EXISTS execution (
    job text NOT NULL,
    due_ms bigint NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (job, due_ms)
)
