SELECT * FROM journal WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?
