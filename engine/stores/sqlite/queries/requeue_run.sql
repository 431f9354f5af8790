UPDATE run SET state = 'queued', due = 0, ended = NULL, error = NULL WHERE num = ? AND state = 'diverged'
