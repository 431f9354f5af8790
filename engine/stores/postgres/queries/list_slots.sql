SELECT pool, run, key, node FROM headrace.slot ORDER BY pool COLLATE "C", run, key COLLATE "C"
