SELECT
    line.run, seq, delivery, kind, key, name, args, attempt, started, ended, span, parent, outcome,
    CASE WHEN kind IN ('wait', 'attempt') THEN value ELSE '' END AS value, blob, epoch
FROM unnest($1::bigint[]) AS wanted (run)
CROSS JOIN LATERAL (
    SELECT * FROM headrace.journal WHERE journal.run = wanted.run ORDER BY seq DESC LIMIT $2
) AS line
ORDER BY line.run, seq
