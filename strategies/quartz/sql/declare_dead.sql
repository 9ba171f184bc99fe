-- Removes the instances that have not checked in. A check-in that comes first saves its instance.
-- in: instance text (the one that asks), failed_before bigint (ms); result: rows (name)
-- Who has been declared dead itself may not: it would take what nobody could recover from it.
-- take_over.sql follows in the same transaction, with a snapshot of its own: what a dead instance
-- was granted up to this moment is committed by then, and it can be granted nothing more.
WITH me AS MATERIALIZED (
    SELECT name FROM instance WHERE name = %(instance)s FOR KEY SHARE
)
DELETE FROM instance
WHERE checked_in_ms < %(failed_before)s
    AND name <> %(instance)s
    AND EXISTS (SELECT FROM me)
RETURNING name
