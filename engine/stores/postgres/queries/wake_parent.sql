-- That of a run which was cancelled, if it waits.
UPDATE headrace.run
SET state = 'queued', due = 0
WHERE num = (SELECT parent FROM headrace.run WHERE num = $1 AND state = 'cancelled') AND (state = 'waiting') IS TRUE
