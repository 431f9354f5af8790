INSERT INTO headrace.slot (pool, run, key, node) VALUES ($1, $2, $3, $4)
ON CONFLICT (pool, run, key) DO UPDATE SET node = excluded.node
