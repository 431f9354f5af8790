UPDATE run SET state = 'queued', due = 0, owner = NULL WHERE num = ? AND state = 'running'
