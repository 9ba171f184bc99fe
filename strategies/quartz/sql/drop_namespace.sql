-- Removes one cluster with all that is in it.
-- in: {namespace} as an identifier; result: none
DROP SCHEMA IF EXISTS {namespace} CASCADE
