-- Takes the cluster's lock until the end of the transaction (single-lock mode only).
-- in: nothing; result: one row
SELECT name FROM lock WHERE name = 'TRIGGER_ACCESS' FOR UPDATE
