DELETE FROM slot WHERE pool = ? AND run = ? AND key = ?
