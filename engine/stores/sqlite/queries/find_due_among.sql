SELECT run.num
FROM json_each(:only) AS wanted
CROSS JOIN run ON run.num = wanted.value
WHERE run.state IN ('queued', 'waiting')
    AND run.due <= :now
    AND run.flow IN (SELECT value FROM json_each(:flows))
ORDER BY run.num
LIMIT :limit
