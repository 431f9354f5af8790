-- Slots of the pool that others hold.
SELECT count(*) FROM headrace.slot WHERE pool = $1 AND NOT (run = $2 AND key = $3)
