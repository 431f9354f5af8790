-- The conditions are checked again: the candidates were picked outside this transaction.
UPDATE run
SET state = 'running', owner = :node, epoch = epoch + 1, due = NULL, started = coalesce(started, :now), pool = :pool
WHERE num = :num AND state IN ('queued', 'waiting') AND held = 0 AND due <= :now
RETURNING *
