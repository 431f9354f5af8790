SELECT 1 FROM headrace.signal WHERE run = $1 AND token = $2
