-- Per flow, so that a long queue of flows that nobody here runs costs nothing. Timers are taken in order of
-- their time and the rest in order of age; of both, the oldest runs go first: what was begun is finished first.
SELECT run.num
FROM json_each(:flows) AS wanted
CROSS JOIN run ON run.num IN (
    SELECT ready.num
    FROM run AS ready
    WHERE ready.state IN ('queued', 'waiting') AND ready.flow = wanted.value AND ready.due = 0
    ORDER BY ready.num
    LIMIT :limit
)
UNION ALL
SELECT run.num
FROM json_each(:flows) AS wanted
CROSS JOIN run ON run.num IN (
    SELECT ready.num
    FROM run AS ready
    WHERE ready.state IN ('queued', 'waiting') AND ready.flow = wanted.value AND ready.due > 0 AND ready.due <= :now
    ORDER BY ready.due
    LIMIT :limit
)
ORDER BY 1
LIMIT :limit
