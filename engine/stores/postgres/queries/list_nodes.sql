SELECT id, pid, host, started, flows, duty, expires > clock_timestamp() AS alive
FROM headrace.node
ORDER BY started, id COLLATE "C"
