SELECT EXISTS (SELECT 1 FROM journal WHERE blob = :blob) OR EXISTS (SELECT 1 FROM run WHERE result_blob = :blob)
