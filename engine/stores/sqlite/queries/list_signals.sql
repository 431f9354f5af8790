SELECT id, run, name, payload, sent FROM signal WHERE run = ? AND id > ? ORDER BY id
