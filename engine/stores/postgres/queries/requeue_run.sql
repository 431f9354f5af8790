UPDATE headrace.run
SET state = 'queued', due = 0, ended = NULL, error = NULL, held = $2
WHERE num = $1 AND state = 'diverged'
