-- Nothing is inserted, no number is used up and nobody is told when the id is taken, or when a run of its lane has its
-- turn and $25 is 'skip'. Nodes are told on $26, if given. The run whose turn it is cannot end before this one is there,
-- and its end sees who has come to wait. Has it just ended, the lane's index refuses this one: it is to be tried again.
-- A child is made as long as its parent has the epoch $28, and nobody takes that over meanwhile. Of the two the parent,
-- which has the lower number, is locked first, as everywhere.
WITH parent AS MATERIALIZED (
    SELECT num FROM headrace.run WHERE num = $13 AND epoch = $28 FOR SHARE
), head AS MATERIALIZED (
    SELECT num
    FROM headrace.run
    WHERE lane = $24 AND NOT held AND state IN ('queued', 'running', 'waiting')
        AND ($28::integer IS NULL OR EXISTS (SELECT 1 FROM parent))
    FOR SHARE
), made AS (
    INSERT INTO headrace.run (
        id, flow, version, fingerprint, python, due, created, timeout, scheduled_for, trace, span, sampled,
        parent, parent_key, parent_span, rerun_of, origin, tags, params, priority, rank, queue, requires, lane, held
    )
    SELECT
        $1, $2, $3, $4, $5, $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10, $11::bigint, $12::boolean,
        $13::bigint, $14, $15::bigint, $16, $17, $18::text[], $19::bytea, $20::smallint, $21::bigint, $22, $23::text[],
        $24, EXISTS (SELECT 1 FROM head)
    WHERE NOT EXISTS (SELECT 1 FROM headrace.run WHERE id = $1)
        AND ($28 IS NULL OR EXISTS (SELECT 1 FROM parent))
        AND ($25::text <> 'skip' OR NOT EXISTS (SELECT 1 FROM head))
    ON CONFLICT (id) DO NOTHING
    RETURNING *
), tagged AS (
    INSERT INTO headrace.run_tag (tag, run)
    SELECT DISTINCT tag, num FROM made CROSS JOIN unnest($18::text[]) AS given (tag)
)
SELECT made.*, CASE WHEN $26::text IS NOT NULL THEN pg_notify($26, $27::text)::text END AS told
FROM made
