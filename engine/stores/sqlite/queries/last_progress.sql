-- The start of an attempt is no progress: the same attempt would start before every crash.
SELECT seq FROM journal WHERE run = ? AND kind <> 'started' ORDER BY seq DESC LIMIT 1
