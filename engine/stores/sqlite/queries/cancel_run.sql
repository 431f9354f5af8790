-- Nobody's code would see the request: the run has never started, or stands still for good.
UPDATE run
SET state = 'cancelled', cancel = :reason, ended = :now, due = NULL
WHERE num = :num AND (state = 'diverged' OR (state = 'queued' AND started IS NULL))
