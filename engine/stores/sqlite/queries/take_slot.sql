INSERT INTO slot (pool, run, key, node) VALUES (:pool, :run, :key, :node)
ON CONFLICT (pool, run, key) DO UPDATE SET node = excluded.node
