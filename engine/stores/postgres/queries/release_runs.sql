UPDATE headrace.run
SET state = 'queued', due = 0, owner = NULL, claim = NULL
WHERE num = ANY ($1::bigint[]) AND state = 'running'
