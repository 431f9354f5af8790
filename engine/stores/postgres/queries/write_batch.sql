-- What a batch writes but for parking, as one statement: runs are locked, checked and changed in it, and nobody waits
-- for a client. Answers the runs whose epoch fits; what is of others is left out.
-- It sees what was committed before it began, and of the rows that it locks what they have become. So it does not see
-- who has come to wait for a run's turn: when a run of a lane ends, and $4 says that nothing follows which lets the next
-- one go, nothing is written, and the answer is NULL.
WITH locked AS MATERIALIZED (
-- include runs_and_parents
), held AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::bigint[], $3::integer[], $5::text[], $6::bytea[], $7::text[], $8::bytea[], $9::bigint[], $10::integer[],
        $11::text[], $12::text[], $13::text[]
    ) AS held (num, epoch, state, result, result_blob, error, ended, exported, version, fingerprint, python)
), fitting AS MATERIALIZED (
    SELECT held.*, locked.parent, locked.lane
    FROM held
    JOIN locked ON locked.num = held.num
    WHERE locked.epoch = held.epoch AND (held.state IS NULL OR locked.state = 'running')
), laned AS MATERIALIZED (
    SELECT 1 FROM fitting WHERE $4::boolean AND lane IS NOT NULL AND state <> 'queued' LIMIT 1
), ours AS MATERIALIZED (
    SELECT * FROM fitting WHERE NOT EXISTS (SELECT 1 FROM laned)
), over AS MATERIALIZED (
    SELECT DISTINCT parent FROM ours WHERE state IN ('succeeded', 'failed', 'cancelled')
), change AS MATERIALIZED (
    SELECT ours.*, locked.num AS place, locked.state = 'waiting' AND over.parent IS NOT NULL AS woken
    FROM locked
    LEFT JOIN ours ON ours.num = locked.num
    LEFT JOIN over ON over.parent = locked.num
), changed AS (
    UPDATE headrace.run
    SET state = CASE WHEN change.woken THEN 'queued' ELSE coalesce(change.state, run.state) END,
        due = CASE WHEN change.woken OR change.state = 'queued' THEN 0 WHEN change.state IS NULL THEN run.due END,
        owner = CASE WHEN change.woken OR change.state IS NOT NULL THEN NULL ELSE run.owner END,
        claim = CASE WHEN change.woken OR change.state IS NOT NULL THEN NULL ELSE run.claim END,
        result = coalesce(change.result, run.result),
        result_blob = coalesce(change.result_blob, run.result_blob),
        error = coalesce(change.error, run.error),
        ended = coalesce(change.ended, run.ended),
        exported = greatest(change.exported, run.exported),
        version = coalesce(change.version, run.version),
        fingerprint = coalesce(change.fingerprint, run.fingerprint),
        python = coalesce(change.python, run.python)
    FROM change
    WHERE run.num = ANY (ARRAY(SELECT num FROM locked)) AND run.num = change.place
        AND (change.woken OR change.state IS NOT NULL OR change.exported IS NOT NULL OR change.version IS NOT NULL)
), written AS (
    INSERT INTO headrace.journal
    SELECT entry.*
    FROM unnest(
        $14::bigint[], $15::integer[], $16::integer[], $17::text[], $18::text[], $19::text[], $20::text[],
        $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[], $26::text[], $27::bytea[],
        $28::text[], $29::integer[]
    ) AS entry (run)
    WHERE entry.run IN (SELECT num FROM ours)
), logged AS (
    INSERT INTO headrace.log (run, at, level, logger, message, task, attempt, span, batch, line)
    SELECT line.run, line.at, line.level, line.logger, line.message, line.task, line.attempt, line.span, $38::bigint,
        line.place
    FROM unnest(
        $30::bigint[], $31::bigint[], $32::text[], $33::text[], $34::text[], $35::text[], $36::integer[], $37::bigint[]
    ) WITH ORDINALITY AS line (run, at, level, logger, message, task, attempt, span, place)
    WHERE line.run IN (SELECT num FROM ours)
    ORDER BY line.place
)
SELECT num FROM ours
UNION ALL
SELECT NULL FROM laned
