UPDATE headrace.run SET state = 'queued', due = 0 WHERE id = $1 AND state = 'waiting'
