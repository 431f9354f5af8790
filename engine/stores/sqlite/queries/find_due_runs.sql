-- Per kind of run, timers are taken in order of their time and the rest in order of rank; of both, the lowest ranks go
-- first.
WITH RECURSIVE
-- include kinds
SELECT run.num, run.flow, run.rank
FROM taken
CROSS JOIN run ON run.num IN (
    SELECT ready.num
    FROM run AS ready
    WHERE ready.state IN ('queued', 'waiting') AND ready.held = 0 AND ready.flow = taken.flow
        AND ready.queue = taken.queue AND ready.requires = taken.requires AND ready.version = taken.version
        AND ready.due = 0
    ORDER BY ready.rank, ready.num
    LIMIT :limit
)
UNION ALL
SELECT run.num, run.flow, run.rank
FROM taken
CROSS JOIN run ON run.num IN (
    SELECT ready.num
    FROM run AS ready
    WHERE ready.state IN ('queued', 'waiting') AND ready.held = 0 AND ready.flow = taken.flow
        AND ready.queue = taken.queue AND ready.requires = taken.requires AND ready.version = taken.version
        AND ready.due > 0 AND ready.due <= :now
    ORDER BY ready.due, ready.rank, ready.num
    LIMIT :limit
)
ORDER BY 3, 1
