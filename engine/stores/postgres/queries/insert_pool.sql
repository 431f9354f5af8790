-- From here on the transaction waits for no lock for long: what waits for a pool stays in the server when its process
-- is frozen or has given up, and each of them would hold the pool, and its node, for a while when its turn comes.
INSERT INTO headrace.pool (name)
SELECT name FROM unnest($1::text[]) AS wanted (name) WHERE set_config('lock_timeout', '200ms', true) IS NOT NULL
ON CONFLICT DO NOTHING
