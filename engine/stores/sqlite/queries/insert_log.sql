INSERT INTO log (run, at, level, logger, message, task, attempt, span) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
