-- Fails, by dividing by zero, when the node has renewed its lease meanwhile, or somebody else has buried it.
WITH buried AS (
    DELETE FROM headrace.node
    WHERE id = $1 AND token = $3 AND
-- include has_expired
    RETURNING id
)
SELECT 1 / count(*) FROM buried
