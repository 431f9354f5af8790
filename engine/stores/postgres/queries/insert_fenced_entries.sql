-- A small group in one round trip. Answers the runs whose epoch fits; the lines of others are left out.
WITH fence AS MATERIALIZED (
    SELECT locked.num
    FROM unnest($17::bigint[], $18::integer[]) AS held (num, epoch)
    CROSS JOIN LATERAL (
        SELECT num FROM headrace.run WHERE num = held.num AND epoch = held.epoch FOR SHARE
    ) AS locked
), written AS (
    INSERT INTO headrace.journal
    SELECT entry.*
    FROM unnest(
        $1::bigint[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bytea[], $15::text[],
        $16::integer[]
    ) AS entry (run)
    WHERE entry.run IN (SELECT num FROM fence)
)
SELECT num FROM fence
