SELECT *
FROM headrace.run
WHERE state IN ('queued', 'running', 'waiting', 'diverged') AND ($1::text IS NULL OR flow = $1)
ORDER BY num
