SELECT 1 FROM headrace.log WHERE run = $1 AND batch = $2 LIMIT 1
