-- The unfinished runs of a lane: the one whose turn it is, and those it keeps waiting.
SELECT *
FROM run
WHERE lane = ?1 AND held = 0 AND state IN ('queued', 'running', 'waiting')
UNION ALL
SELECT *
FROM run
WHERE lane = ?1 AND held = 1 AND state = 'queued'
ORDER BY num
