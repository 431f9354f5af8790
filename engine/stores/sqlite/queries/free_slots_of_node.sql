DELETE FROM slot WHERE node = ?
