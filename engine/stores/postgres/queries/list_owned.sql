-- With the last line that is progress. The start of an attempt is none: it would start before every crash.
SELECT run.num, run.id, run.flow, run.parent, run.lane, run.crashes, run.crash_seq, coalesce(newest.seq, -1) AS progress
FROM headrace.run
LEFT JOIN LATERAL (
    SELECT seq
    FROM headrace.journal
    WHERE journal.run = run.num AND journal.kind <> 'started'
    ORDER BY seq DESC
    LIMIT 1
) AS newest ON true
WHERE run.num = ANY ($1::bigint[])
ORDER BY run.num
