-- Those with an error are given up.
UPDATE headrace.run
SET state = CASE WHEN lost.error IS NULL THEN 'queued' ELSE 'failed' END,
    due = CASE WHEN lost.error IS NULL THEN 0 END,
    ended = CASE WHEN lost.error IS NOT NULL THEN $5::bigint END,
    error = lost.error,
    owner = NULL,
    claim = NULL,
    epoch = epoch + 1,
    crashes = lost.crashes,
    crash_seq = lost.progress
FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::bytea[]) AS lost (num, crashes, progress, error)
WHERE run.num = ANY ($1::bigint[]) AND run.num = lost.num
