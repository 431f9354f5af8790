UPDATE run
SET state = 'failed', ended = :now, error = :error,
    owner = NULL, epoch = epoch + 1, crashes = :crashes, crash_seq = :progress
WHERE num = :num AND state = 'running'
RETURNING *
