WITH RECURSIVE
-- include kinds
SELECT min(ready.due)
FROM wanted
CROSS JOIN LATERAL (
    SELECT due
    FROM headrace.run
    WHERE state IN ('queued', 'waiting') AND NOT held AND flow = wanted.flow AND queue = wanted.queue
        AND requires = wanted.requires AND version = wanted.version AND due IS NOT NULL
    ORDER BY due
    LIMIT 1
) AS ready
