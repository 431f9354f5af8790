UPDATE headrace.run
SET state = 'failed', ended = $2, error = $3, owner = NULL, claim = NULL, epoch = epoch + 1,
    crashes = $4, crash_seq = $5
WHERE num = $1 AND state = 'running'
RETURNING *
