-- To a run that has not started. Epoch 0 says that no owner of the target wrote these lines.
INSERT INTO headrace.journal
SELECT
    $2::bigint, row_number() OVER (ORDER BY seq) - 1, delivery, kind, key, name, args, attempt, started, ended,
    span, parent, outcome, value, blob, 0
FROM headrace.journal
WHERE run = $1 AND key = ANY ($3::text[])
    AND EXISTS (SELECT 1 FROM headrace.run WHERE num = $2 AND state = 'queued' AND started IS NULL)
