INSERT INTO signal (run, name, payload, sent) VALUES (?, ?, ?, ?)
