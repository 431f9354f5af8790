-- What an earlier copy has left in a run that has not started.
DELETE FROM headrace.journal
WHERE run = $1 AND EXISTS (SELECT 1 FROM headrace.run WHERE num = $1 AND state = 'queued' AND started IS NULL)
