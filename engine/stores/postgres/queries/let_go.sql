-- The next run of each lane has its turn, when nobody else has.
UPDATE headrace.run
SET held = false
WHERE num = ANY (ARRAY(
    SELECT next.num
    FROM unnest($1::text[]) AS freed (lane)
    CROSS JOIN LATERAL (
        SELECT num
        FROM headrace.run
        WHERE run.lane = freed.lane AND held AND state = 'queued'
        ORDER BY num
        LIMIT 1
        FOR NO KEY UPDATE
    ) AS next
    WHERE NOT EXISTS (
        SELECT 1
        FROM headrace.run AS other
        WHERE other.lane = freed.lane AND NOT other.held AND other.state IN ('queued', 'running', 'waiting')
    )
))
