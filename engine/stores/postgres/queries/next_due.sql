SELECT min(ready.due)
FROM unnest($1::text[]) AS wanted (flow)
CROSS JOIN LATERAL (
    SELECT due
    FROM headrace.run
    WHERE state IN ('queued', 'waiting') AND flow = wanted.flow AND due IS NOT NULL
    ORDER BY due
    LIMIT 1
) AS ready
