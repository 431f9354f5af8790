-- The counter's row is held until the commit, so that numbers become visible in their order: a node that has seen
-- one asks for higher ones only.
WITH place AS (
    UPDATE headrace.counter SET last = last + 1 WHERE name = 'signal' RETURNING last
)
INSERT INTO headrace.signal (id, run, name, payload, sent, token)
SELECT place.last, $1, $2, $3, $4, $5 FROM place
