SELECT * FROM headrace.journal WHERE run = $1 AND seq > $2 ORDER BY seq LIMIT $3
