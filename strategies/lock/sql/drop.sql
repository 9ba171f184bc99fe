-- Remove everything that the trial made.
-- Input: {namespace} identifier, the trial's namespace. Result: none.
drop schema if exists {namespace} cascade
