-- Nothing is inserted for a run that has ended, nor a second time. The counter's row is held until the commit, so that
-- numbers become visible in their order: a node that has seen one asks for higher ones only.
WITH target AS MATERIALIZED (
    SELECT num
    FROM headrace.run
    WHERE id = $1 AND state NOT IN ('succeeded', 'failed', 'cancelled')
        AND NOT EXISTS (SELECT 1 FROM headrace.signal WHERE signal.run = run.num AND signal.token = $5)
), place AS (
    UPDATE headrace.counter SET last = last + 1
    WHERE name = 'signal' AND EXISTS (SELECT 1 FROM target)
    RETURNING last
)
INSERT INTO headrace.signal (id, run, name, payload, sent, token)
SELECT place.last, target.num, $2, $3::bytea, $4, $5 FROM place CROSS JOIN target
