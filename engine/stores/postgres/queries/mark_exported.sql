UPDATE headrace.run
SET exported = mark.seq
FROM unnest($1::bigint[], $2::integer[]) AS mark (num, seq)
WHERE run.num = ANY ($1::bigint[]) AND run.num = mark.num AND run.exported < mark.seq
