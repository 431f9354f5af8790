SELECT blob FROM headrace.journal WHERE run = ANY ($1::bigint[]) AND blob IS NOT NULL
UNION
SELECT result_blob FROM headrace.run WHERE num = ANY ($1::bigint[]) AND result_blob IS NOT NULL
