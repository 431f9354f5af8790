SELECT id, run, at, level, logger, message, task, attempt, span FROM log WHERE run = ? AND id > ? ORDER BY id LIMIT ?
