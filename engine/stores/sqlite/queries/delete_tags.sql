DELETE FROM run_tag WHERE run = ? AND tag IN (SELECT value FROM json_each(?))
