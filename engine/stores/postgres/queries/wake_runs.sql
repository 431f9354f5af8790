UPDATE headrace.run SET state = 'queued', due = 0 WHERE num = ANY ($1::bigint[]) AND state = 'waiting'
