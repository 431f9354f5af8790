-- As claim_runs, but only runs with these numbers.
WITH member AS MATERIALIZED (
    SELECT id FROM headrace.node WHERE id = $1 FOR KEY SHARE
), due AS MATERIALIZED (
    SELECT num
    FROM headrace.run
    WHERE num = ANY ($6::bigint[]) AND state IN ('queued', 'waiting') AND due <= $2 AND flow = ANY ($3::text[])
    ORDER BY num
    LIMIT $4
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE headrace.run
    SET state = 'running', owner = $1, claim = $5, epoch = epoch + 1, due = NULL, started = coalesce(started, $2)
    WHERE EXISTS (SELECT 1 FROM member) AND num = ANY (ARRAY(SELECT num FROM due))
    RETURNING *
)
SELECT EXISTS (SELECT 1 FROM member) AS member, taken.*
FROM (VALUES (1)) AS always (one)
LEFT JOIN taken ON true
ORDER BY taken.num
