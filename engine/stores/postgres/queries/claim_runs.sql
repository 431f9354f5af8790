-- Per flow and kind of run (queue, what it requires, version), so that a long queue of what nobody here takes costs
-- nothing. Timers are taken in order of their time and the rest in order of rank; of both, the lowest ranks go first.
-- Of flows with a pool, as many go as there is room. There is always a row; its first column says whether the node
-- is a member.
WITH RECURSIVE member AS MATERIALIZED (
    SELECT id FROM headrace.node WHERE id = $1 FOR KEY SHARE
), kind AS (
    SELECT first.*
    FROM unnest($3::text[]) AS wanted (flow)
    CROSS JOIN LATERAL (
        SELECT run.flow, run.queue, run.requires, run.version
        FROM headrace.run
        WHERE run.state IN ('queued', 'waiting') AND NOT run.held AND run.due IS NOT NULL AND run.flow = wanted.flow
        ORDER BY run.queue, run.requires, run.version
        LIMIT 1
    ) AS first
    UNION ALL
    SELECT next.*
    FROM kind
    CROSS JOIN LATERAL (
        SELECT run.flow, run.queue, run.requires, run.version
        FROM headrace.run
        WHERE run.state IN ('queued', 'waiting') AND NOT run.held AND run.due IS NOT NULL AND run.flow = kind.flow
            AND (run.queue, run.requires, run.version) > (kind.queue, kind.requires, kind.version)
        ORDER BY run.queue, run.requires, run.version
        LIMIT 1
    ) AS next
), wanted AS MATERIALIZED (
    SELECT flow, queue, requires, version
    FROM kind
    WHERE ($6::text[] IS NULL OR queue = ANY ($6))
        AND ($7::text[] IS NULL OR requires <@ $7)
        AND NOT EXISTS (
            SELECT 1
            FROM unnest($8::text[], $9::text[]) AS elsewhere (flow, version)
            WHERE elsewhere.flow = kind.flow AND elsewhere.version = kind.version
        )
), at_once AS MATERIALIZED (
    SELECT ready.*
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT num, rank, flow
        FROM headrace.run
        WHERE state IN ('queued', 'waiting') AND NOT held AND flow = wanted.flow AND queue = wanted.queue
            AND requires = wanted.requires AND version = wanted.version AND due = 0
        ORDER BY rank, num
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    ) AS ready
), in_time AS MATERIALIZED (
    SELECT ready.*
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT num, rank, flow
        FROM headrace.run
        WHERE state IN ('queued', 'waiting') AND NOT held AND flow = wanted.flow AND queue = wanted.queue
            AND requires = wanted.requires AND version = wanted.version AND due > 0 AND due <= $2
        ORDER BY due, rank, num
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    ) AS ready
), placed AS (
    SELECT ready.num, ready.rank, pool.name, pool.room,
        row_number() OVER (PARTITION BY pool.name ORDER BY ready.rank, ready.num) AS place
    FROM (SELECT * FROM at_once UNION ALL SELECT * FROM in_time) AS ready
    LEFT JOIN unnest($10::text[], $11::text[], $12::integer[]) AS pool (flow, name, room) ON pool.flow = ready.flow
), taken AS (
    UPDATE headrace.run
    SET state = 'running', owner = $1, claim = $5, epoch = epoch + 1, due = NULL, started = coalesce(started, $2),
        pool = (SELECT pool.name FROM unnest($10::text[], $11::text[]) AS pool (flow, name) WHERE pool.flow = run.flow)
    WHERE EXISTS (SELECT 1 FROM member) AND num = ANY (ARRAY(
        SELECT num FROM placed WHERE name IS NULL OR place <= room ORDER BY rank, num LIMIT $4
    ))
    RETURNING *
)
SELECT EXISTS (SELECT 1 FROM member) AS member, taken.*
FROM (VALUES (1)) AS always (one)
LEFT JOIN taken ON true
ORDER BY taken.rank, taken.num
