SELECT id, pid, host, started, flows, duty, expires > clock_timestamp() AS alive,
    extract(epoch FROM clock_timestamp() - renewed)::float8 AS silent
FROM headrace.node
ORDER BY started, id COLLATE "C"
