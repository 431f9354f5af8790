SELECT min((
    SELECT ready.due
    FROM run AS ready
    WHERE ready.state IN ('queued', 'waiting') AND ready.flow = wanted.value AND ready.due IS NOT NULL
    ORDER BY ready.due
    LIMIT 1
))
FROM json_each(:flows) AS wanted
