-- The next run of a lane has its turn, when nobody else has.
UPDATE run
SET held = 0
WHERE num = (
    SELECT waiting.num FROM run AS waiting WHERE waiting.lane = ?1 AND waiting.held = 1 AND waiting.state = 'queued'
    ORDER BY waiting.num
    LIMIT 1
) AND NOT EXISTS (
    SELECT 1
    FROM run AS other
    WHERE other.lane = ?1 AND other.held = 0 AND other.state IN ('queued', 'running', 'waiting')
)
