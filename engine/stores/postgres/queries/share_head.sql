-- The run whose turn it is cannot end before this transaction does: its end will see who has come to wait.
SELECT 1
FROM headrace.run
WHERE num = $1 AND NOT held AND state IN ('queued', 'running', 'waiting')
FOR SHARE
