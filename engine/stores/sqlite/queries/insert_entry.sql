-- The hot path: one statement, one commit; the fence is part of it. No row is inserted when the epoch is not the newest.
INSERT INTO journal
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16
FROM run
WHERE num = ?1 AND epoch = ?16
