DELETE FROM slot WHERE run = ?
