-- Whoever asks for runs by their numbers has them, whatever queue they are in.
SELECT run.num, run.flow
FROM json_each(:only) AS wanted
CROSS JOIN run ON run.num = wanted.value
WHERE run.state IN ('queued', 'waiting')
    AND run.held = 0
    AND run.due <= :now
    AND run.flow IN (SELECT value FROM json_each(:flows))
ORDER BY run.rank, run.num
