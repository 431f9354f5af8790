-- It has lost its turn in its lane when it diverged.
UPDATE run
SET state = 'queued', due = 0, ended = NULL, error = NULL, held = EXISTS (
    SELECT 1
    FROM run AS other
    WHERE other.lane = run.lane AND other.held = 0 AND other.state IN ('queued', 'running', 'waiting')
)
WHERE num = ? AND state = 'diverged'
