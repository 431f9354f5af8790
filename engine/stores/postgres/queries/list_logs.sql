SELECT id, run, at, level, logger, message, task, attempt, span
FROM headrace.log
WHERE run = $1 AND id > $2
ORDER BY id
LIMIT $3
