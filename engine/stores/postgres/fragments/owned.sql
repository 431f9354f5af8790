-- The runs of the node $1, with the last line that is progress: neither the start of an attempt nor of a wait, see
-- `entry.BEGINNINGS`.
SELECT run.num, run.id, run.flow, run.crashes, run.crash_seq, coalesce(newest.seq, -1) AS progress
FROM headrace.run
LEFT JOIN LATERAL (
    SELECT seq
    FROM headrace.journal
    WHERE journal.run = run.num AND journal.kind NOT IN ('started', 'wait')
    ORDER BY seq DESC
    LIMIT 1
) AS newest ON true
WHERE run.state = 'running' AND run.owner = $1
