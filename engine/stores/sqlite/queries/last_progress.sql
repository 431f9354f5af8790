-- The last line that is progress: neither the start of an attempt nor of a wait, see `entry.BEGINNINGS`.
SELECT seq FROM journal WHERE run = ? AND kind NOT IN ('started', 'wait') ORDER BY seq DESC LIMIT 1
