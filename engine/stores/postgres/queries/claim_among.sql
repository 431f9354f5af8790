-- As claim_runs, but only runs with these numbers, whatever queue they are in.
WITH member AS MATERIALIZED (
    SELECT id FROM headrace.node WHERE id = $1 FOR KEY SHARE
), due AS MATERIALIZED (
    SELECT num, rank, flow
    FROM headrace.run
    WHERE num = ANY ($6::bigint[]) AND state IN ('queued', 'waiting') AND NOT held AND due <= $2
        AND flow = ANY ($3::text[])
    ORDER BY rank, num
    FOR UPDATE SKIP LOCKED
), placed AS (
    SELECT due.num, due.rank, pool.name, pool.room,
        row_number() OVER (PARTITION BY pool.name ORDER BY due.rank, due.num) AS place
    FROM due
    LEFT JOIN unnest($7::text[], $8::text[], $9::integer[]) AS pool (flow, name, room) ON pool.flow = due.flow
), taken AS (
    UPDATE headrace.run
    SET state = 'running', owner = $1, claim = $5, epoch = epoch + 1, due = NULL, started = coalesce(started, $2),
        pool = (SELECT pool.name FROM unnest($7::text[], $8::text[]) AS pool (flow, name) WHERE pool.flow = run.flow)
    WHERE EXISTS (SELECT 1 FROM member) AND num = ANY (ARRAY(
        SELECT num FROM placed WHERE name IS NULL OR place <= room ORDER BY rank, num LIMIT $4
    ))
    RETURNING *
)
SELECT EXISTS (SELECT 1 FROM member) AS member, taken.*
FROM (VALUES (1)) AS always (one)
LEFT JOIN taken ON true
ORDER BY taken.rank, taken.num
