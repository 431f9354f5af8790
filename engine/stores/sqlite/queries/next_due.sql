WITH RECURSIVE
-- include kinds
SELECT min((
    SELECT ready.due
    FROM run AS ready
    WHERE ready.state IN ('queued', 'waiting') AND ready.held = 0 AND ready.flow = taken.flow
        AND ready.queue = taken.queue AND ready.requires = taken.requires AND ready.version = taken.version
        AND ready.due IS NOT NULL
    ORDER BY ready.due
    LIMIT 1
))
FROM taken
