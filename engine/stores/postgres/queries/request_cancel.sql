-- The first reason stays: a second request adds nothing.
UPDATE headrace.run
SET cancel = coalesce(cancel, $2),
    state = CASE state WHEN 'waiting' THEN 'queued' ELSE state END,
    due = CASE state WHEN 'running' THEN NULL ELSE 0 END
WHERE num = $1 AND state IN ('queued', 'waiting', 'running')
