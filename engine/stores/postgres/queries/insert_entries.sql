-- Inside a transaction that has checked the fence.
INSERT INTO headrace.journal
SELECT *
FROM unnest(
    $1::bigint[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bytea[], $15::text[], $16::integer[]
)
