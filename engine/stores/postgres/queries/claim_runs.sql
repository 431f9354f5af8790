-- Per flow, so that a long queue of flows that nobody here runs costs nothing. Timers are taken in order of
-- their time and the rest in order of age; of both, the oldest runs go first: what was begun is finished first.
-- There is always a row; its first column says whether the node is a member.
WITH member AS MATERIALIZED (
    SELECT id FROM headrace.node WHERE id = $1 FOR KEY SHARE
), at_once AS MATERIALIZED (
    SELECT ready.num
    FROM unnest($3::text[]) AS wanted (flow)
    CROSS JOIN LATERAL (
        SELECT num
        FROM headrace.run
        WHERE state IN ('queued', 'waiting') AND flow = wanted.flow AND due = 0
        ORDER BY num
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    ) AS ready
), in_time AS MATERIALIZED (
    SELECT ready.num
    FROM unnest($3::text[]) AS wanted (flow)
    CROSS JOIN LATERAL (
        SELECT num
        FROM headrace.run
        WHERE state IN ('queued', 'waiting') AND flow = wanted.flow AND due > 0 AND due <= $2
        ORDER BY due
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    ) AS ready
), taken AS (
    UPDATE headrace.run
    SET state = 'running', owner = $1, claim = $5, epoch = epoch + 1, due = NULL, started = coalesce(started, $2)
    WHERE EXISTS (SELECT 1 FROM member) AND num = ANY (ARRAY(
        SELECT num FROM at_once UNION ALL SELECT num FROM in_time ORDER BY num LIMIT $4
    ))
    RETURNING *
)
SELECT EXISTS (SELECT 1 FROM member) AS member, taken.*
FROM (VALUES (1)) AS always (one)
LEFT JOIN taken ON true
ORDER BY taken.num
