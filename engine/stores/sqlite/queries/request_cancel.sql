-- The first reason stays: a second request adds nothing.
UPDATE run
SET cancel = coalesce(cancel, :reason),
    state = CASE state WHEN 'waiting' THEN 'queued' ELSE state END,
    due = CASE state WHEN 'running' THEN NULL ELSE 0 END
WHERE num = :num AND state IN ('queued', 'waiting', 'running')
