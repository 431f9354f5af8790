SELECT pool, run, key, node FROM slot ORDER BY pool, run, key
