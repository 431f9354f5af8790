SELECT run.*
FROM json_each(:runs) AS wanted
CROSS JOIN run
    ON run.num IN (
        SELECT child.num
        FROM run AS child INDEXED BY run_children
        WHERE child.parent = wanted.value AND child.state IN ('queued', 'running', 'waiting', 'diverged')
        LIMIT :each
    )
ORDER BY run.parent, run.num
