-- Leaves the cluster; with fired rows left the instance stays, to be found dead and recovered.
-- in: instance text; result: none
DELETE FROM instance
WHERE name = %(instance)s AND NOT EXISTS (SELECT FROM fired WHERE fired.instance = instance.name)
