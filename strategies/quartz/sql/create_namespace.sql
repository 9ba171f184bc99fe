-- Makes the PostgreSQL schema that holds one cluster.
-- in: {namespace} as an identifier; result: none
CREATE SCHEMA IF NOT EXISTS {namespace}
