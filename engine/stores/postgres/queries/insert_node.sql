INSERT INTO headrace.node (id, pid, host, started, flows, token, renewed, expires, duty)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), clock_timestamp() + $7, $8::jsonb)
ON CONFLICT (id) DO NOTHING
RETURNING id
