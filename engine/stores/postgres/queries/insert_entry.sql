-- The hot path: one statement, one round trip, one commit; the fence is part of it.
INSERT INTO headrace.journal
SELECT
    $1::bigint, $2::integer, $3::integer, $4, $5, $6, $7, $8::bigint, $9::bigint, $10::bigint,
    $11::bigint, $12::bigint, $13, $14::bytea, $15, $16::integer
FROM (SELECT 1 FROM headrace.run WHERE num = $1 AND epoch = $16 FOR SHARE) AS fence
RETURNING 1
