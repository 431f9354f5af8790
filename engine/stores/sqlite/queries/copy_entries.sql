-- Epoch 0 says that no owner of the target wrote these lines.
INSERT INTO journal
SELECT
    :target, row_number() OVER (ORDER BY seq) - 1, delivery, kind, key, name, args, attempt, started, ended,
    span, parent, outcome, value, blob, 0
FROM journal
WHERE run = :source AND key IN (SELECT value FROM json_each(:keys))
