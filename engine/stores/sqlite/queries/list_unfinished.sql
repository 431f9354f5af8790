SELECT *
FROM run
WHERE state IN ('queued', 'running', 'waiting', 'diverged') AND (:flow IS NULL OR flow = :flow)
ORDER BY num
