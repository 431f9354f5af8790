UPDATE headrace.run
SET state = 'queued', due = 0, owner = NULL, claim = NULL, epoch = epoch + 1
WHERE state = 'running' AND owner = $1
