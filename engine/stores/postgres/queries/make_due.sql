-- The run may be claimed from now on, unless it has been.
UPDATE headrace.run SET due = 0 WHERE num = $1 AND state = 'queued' AND started IS NULL
