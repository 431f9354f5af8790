-- Slots of the pool that others hold: tasks, and runs that are in memory.
SELECT (SELECT count(*) FROM slot WHERE pool = :pool AND NOT (run = :run AND key = :key))
    + (SELECT count(*) FROM run WHERE pool = :pool AND state = 'running')
