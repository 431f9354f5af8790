-- The next run of each lane that was freed has its turn, when nobody else has.
UPDATE headrace.run
SET held = false
WHERE num = ANY (ARRAY(
    SELECT next.num
    FROM freed
    CROSS JOIN LATERAL (
        SELECT num
        FROM headrace.run
        WHERE run.lane = freed.lane AND held AND state = 'queued'
        ORDER BY num
        LIMIT 1
        FOR NO KEY UPDATE
    ) AS next
    WHERE (
        SELECT num
        FROM headrace.run
        WHERE lane = freed.lane AND NOT held AND state IN ('queued', 'running', 'waiting')
    ) IS NULL
))
