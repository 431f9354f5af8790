UPDATE run SET state = 'queued', due = 0, owner = NULL, epoch = epoch + 1 WHERE state = 'running' AND owner = ?
