SELECT max(id) FROM signal
