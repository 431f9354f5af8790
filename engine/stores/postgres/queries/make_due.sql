-- The run may be claimed from now on.
UPDATE headrace.run SET due = 0 WHERE num = $1 AND state = 'queued'
