-- The unfinished runs of the lane $1: the one whose turn it is, and those it keeps waiting.
SELECT * FROM headrace.run WHERE lane = $1 AND NOT held AND state IN ('queued', 'running', 'waiting')
UNION ALL
SELECT * FROM headrace.run WHERE lane = $1 AND held AND state = 'queued'
