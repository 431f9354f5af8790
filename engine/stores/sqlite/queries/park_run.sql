UPDATE run
SET owner = NULL,
    state = CASE WHEN happened THEN 'queued' ELSE 'waiting' END,
    due = CASE WHEN happened THEN 0 ELSE :wake_at END
FROM (
    SELECT EXISTS (SELECT 1 FROM signal WHERE run = :num AND id > :seen_signal)
        OR EXISTS (
            SELECT 1
            FROM json_each(:children) AS awaited
            CROSS JOIN run AS child ON child.num = awaited.value
            WHERE child.state IN ('succeeded', 'failed', 'cancelled')
        )
        OR EXISTS (SELECT 1 FROM run AS this WHERE this.num = :num AND this.cancel IS NOT NULL)
        AS happened
) AS meanwhile
WHERE run.num = :num AND run.state = 'running'
