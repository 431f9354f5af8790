-- Per kind of run, timers are taken in order of their time and the rest in order of rank; runs with the numbers $13 are
-- taken whatever their kind. Of all of them, the lowest ranks go first; of flows with a pool, as many as there is room.
-- No row at all says that the node is no member; otherwise there is one, if only an empty one.
WITH RECURSIVE member AS MATERIALIZED (
    SELECT id FROM headrace.node WHERE id = $9 FOR KEY SHARE
),
-- include kinds
, at_once AS MATERIALIZED (
    SELECT ready.*
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT num, rank, flow
        FROM headrace.run
        WHERE state IN ('queued', 'waiting') AND NOT held AND flow = wanted.flow AND queue = wanted.queue
            AND requires = wanted.requires AND version = wanted.version AND due = 0
        ORDER BY rank, num
        LIMIT $11
        FOR UPDATE SKIP LOCKED
    ) AS ready
), in_time AS MATERIALIZED (
    SELECT ready.*
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT num, rank, flow
        FROM headrace.run
        WHERE state IN ('queued', 'waiting') AND NOT held AND flow = wanted.flow AND queue = wanted.queue
            AND requires = wanted.requires AND version = wanted.version AND due > 0 AND due <= $10
        ORDER BY due, rank, num
        LIMIT $11
        FOR UPDATE SKIP LOCKED
    ) AS ready
), named AS MATERIALIZED (
    SELECT num, rank, flow
    FROM headrace.run
    WHERE num = ANY ($13::bigint[]) AND state IN ('queued', 'waiting') AND NOT held AND due <= $10
        AND flow = ANY ($14::text[])
    ORDER BY rank, num
    FOR UPDATE SKIP LOCKED
), placed AS (
    SELECT ready.num, ready.rank, room.name, room.places,
        row_number() OVER (PARTITION BY room.name ORDER BY ready.rank, ready.num) AS place
    FROM (SELECT * FROM at_once UNION ALL SELECT * FROM in_time UNION ALL SELECT * FROM named) AS ready
    LEFT JOIN room ON room.flow = ready.flow
), taken AS (
    UPDATE headrace.run
    SET state = 'running', owner = $9, claim = $12, epoch = epoch + 1, due = NULL, started = coalesce(started, $10),
        pool = (SELECT room.name FROM room WHERE room.flow = run.flow)
    WHERE EXISTS (SELECT 1 FROM member) AND num = ANY (ARRAY(
        SELECT num FROM placed WHERE name IS NULL OR place <= places ORDER BY rank, num LIMIT $11
    ))
    RETURNING *
)
SELECT taken.*
FROM member
LEFT JOIN taken ON true
ORDER BY taken.rank, taken.num
