UPDATE run SET state = 'queued', due = 0 WHERE num = ? AND state = 'waiting'
