SELECT child.*
FROM unnest($1::bigint[]) AS wanted (run)
CROSS JOIN LATERAL (
    SELECT *
    FROM headrace.run
    WHERE run.parent = wanted.run AND run.state IN ('queued', 'running', 'waiting', 'diverged')
    LIMIT $2
) AS child
ORDER BY child.parent, child.num
