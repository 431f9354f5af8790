-- Everything in the lane $1 makes room for the run $2, unless that is there already, or its parent $5 has not the epoch
-- $6: what has never started is over, as in cancel_run.sql, the rest is asked to end, as in request_cancel.sql.
WITH there AS MATERIALIZED (
-- include in_lane
), cancelled AS (
    UPDATE headrace.run
    SET cancel = coalesce(run.cancel, $3),
        state = CASE WHEN fresh THEN 'cancelled' WHEN run.state = 'waiting' THEN 'queued' ELSE run.state END,
        ended = CASE WHEN fresh THEN $4::bigint END,
        due = CASE WHEN fresh OR run.state = 'running' THEN NULL ELSE 0 END
    FROM (SELECT num, state = 'queued' AND started IS NULL AS fresh FROM there) AS before
    WHERE run.num = before.num AND NOT EXISTS (SELECT 1 FROM headrace.run WHERE id = $2)
        AND ($6::integer IS NULL OR EXISTS (SELECT 1 FROM headrace.run WHERE num = $5::bigint AND epoch = $6))
    RETURNING run.parent, run.state
)
UPDATE headrace.run
SET state = 'queued', due = 0
WHERE num = ANY (ARRAY(SELECT parent FROM cancelled WHERE state = 'cancelled')) AND (state = 'waiting') IS TRUE
