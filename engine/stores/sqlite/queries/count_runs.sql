SELECT state, count(*) FROM run WHERE state IN ('queued', 'running', 'waiting', 'diverged') GROUP BY state
