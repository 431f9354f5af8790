SELECT num
FROM headrace.run
WHERE ended IS NOT NULL AND state <> 'diverged' AND ended < $1
ORDER BY ended
LIMIT $2
FOR UPDATE SKIP LOCKED
