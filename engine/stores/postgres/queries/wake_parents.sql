-- Those of the runs $1, which have ended, as far as they wait.
UPDATE headrace.run
SET state = 'queued', due = 0
WHERE num = ANY (ARRAY(SELECT parent FROM headrace.run WHERE num = ANY ($1::bigint[]) AND parent IS NOT NULL))
    AND (state = 'waiting') IS TRUE
