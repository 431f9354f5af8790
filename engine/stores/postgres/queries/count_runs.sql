SELECT state, count(*)
FROM headrace.run
WHERE state IN ('queued', 'running', 'waiting', 'diverged')
GROUP BY state
