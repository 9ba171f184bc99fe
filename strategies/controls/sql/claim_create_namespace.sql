-- Makes the PostgreSQL schema of one trial.
-- in: {namespace} as an identifier; result: none
CREATE SCHEMA IF NOT EXISTS {namespace}
