SELECT blob FROM journal WHERE run = :run AND blob IS NOT NULL
UNION
SELECT result_blob FROM run WHERE num = :run AND result_blob IS NOT NULL
