-- Remove everything that the trial made.
-- Input: {schema} identifier, the trial's namespace. Result: none.
drop schema if exists {schema} cascade
