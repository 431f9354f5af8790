-- A statement of its own after the lock: it sees what was committed while the lock was waited for.
UPDATE headrace.run
SET owner = NULL,
    claim = NULL,
    state = CASE WHEN happened THEN 'queued' ELSE 'waiting' END,
    due = CASE WHEN happened THEN 0 ELSE $2::bigint END
FROM (
    SELECT EXISTS (SELECT 1 FROM headrace.signal WHERE signal.run = $1 AND signal.id > $3)
        OR EXISTS (
            SELECT 1
            FROM headrace.run AS child
            WHERE child.num = ANY ($4::bigint[]) AND child.state IN ('succeeded', 'failed', 'cancelled')
        )
        OR EXISTS (SELECT 1 FROM headrace.run AS this WHERE this.num = $1 AND this.cancel IS NOT NULL)
        AS happened
) AS meanwhile
WHERE run.num = $1 AND run.state = 'running'
