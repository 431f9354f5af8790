UPDATE run
SET state = :state, result = :result, result_blob = :result_blob, error = :error, ended = :at, owner = NULL
WHERE num = :num AND state = 'running'
RETURNING parent, lane
