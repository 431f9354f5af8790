-- As many rows as is told: none when the node is no member, one when the pool is full, two when the slot is held now.
WITH member AS MATERIALIZED (
    SELECT id FROM headrace.node WHERE id = $5
), taken AS (
    INSERT INTO headrace.slot (pool, run, key, node)
    SELECT $1, $2, $3, id
    FROM member
    WHERE
-- include slot_free
    ON CONFLICT (pool, run, key) DO UPDATE SET node = excluded.node
    RETURNING node
)
SELECT id FROM member
UNION ALL
SELECT node FROM taken
