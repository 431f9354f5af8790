-- Slots of the pool that others hold.
SELECT count(*) FROM slot WHERE pool = :pool AND NOT (run = :run AND key = :key)
