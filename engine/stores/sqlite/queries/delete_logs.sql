DELETE FROM log WHERE run = ?
