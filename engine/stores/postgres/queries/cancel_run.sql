-- Nobody's code would see the request: the run has never started, or stands still for good.
UPDATE headrace.run
SET state = 'cancelled', cancel = $2, ended = $3, due = NULL
WHERE num = $1 AND (state = 'diverged' OR (state = 'queued' AND started IS NULL))
