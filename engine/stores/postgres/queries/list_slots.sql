SELECT pool, run, key, node
FROM (
    SELECT pool, run, key, node FROM headrace.slot
    UNION ALL
    SELECT pool, num, '', owner FROM headrace.run WHERE pool IS NOT NULL AND state = 'running'
) AS held
ORDER BY pool COLLATE "C", run, key COLLATE "C"
