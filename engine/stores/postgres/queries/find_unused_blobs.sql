SELECT given.blob
FROM unnest($1::text[]) AS given (blob)
WHERE NOT EXISTS (SELECT 1 FROM headrace.journal WHERE journal.blob = given.blob)
    AND NOT EXISTS (SELECT 1 FROM headrace.run WHERE run.result_blob = given.blob)
ORDER BY given.blob COLLATE "C"
