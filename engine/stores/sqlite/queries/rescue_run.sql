UPDATE run
SET state = 'queued', due = 0, owner = NULL, epoch = epoch + 1, crashes = :crashes, crash_seq = :progress
WHERE num = :num AND state = 'running'
RETURNING *
