SELECT pool, run, key, node FROM slot
UNION ALL
SELECT pool, num, '', owner FROM run WHERE pool IS NOT NULL AND state = 'running'
ORDER BY pool, run, key
