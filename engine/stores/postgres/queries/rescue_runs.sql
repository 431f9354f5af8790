UPDATE headrace.run
SET state = 'queued', due = 0, owner = NULL, claim = NULL, epoch = epoch + 1,
    crashes = lost.crashes, crash_seq = lost.progress
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS lost (num, crashes, progress)
WHERE run.num = lost.num AND run.state = 'running'
RETURNING run.*
