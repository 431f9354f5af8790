-- The kinds of runs (flow, queue, what they require, version) that are ready, and of them those that are taken here.
-- Each is found by a leap over the index, so that a long queue of what nobody here takes costs nothing.
kind (flow, queue, requires, version) AS (
    SELECT first.flow, first.queue, first.requires, first.version
    FROM json_each(:flows) AS wanted
    CROSS JOIN run AS first ON first.num = (
        SELECT ready.num
        FROM run AS ready
        WHERE ready.state IN ('queued', 'waiting') AND ready.held = 0 AND ready.due IS NOT NULL
            AND ready.flow = wanted.value
        ORDER BY ready.queue, ready.requires, ready.version
        LIMIT 1
    )
    UNION ALL
    SELECT next.flow, next.queue, next.requires, next.version
    FROM kind
    -- A step in each column instead of one in all three: only for that does SQLite leap.
    CROSS JOIN run AS next ON next.num = coalesce((
        SELECT ready.num
        FROM run AS ready
        WHERE ready.state IN ('queued', 'waiting') AND ready.held = 0 AND ready.due IS NOT NULL
            AND ready.flow = kind.flow AND ready.queue = kind.queue AND ready.requires = kind.requires
            AND ready.version > kind.version
        ORDER BY ready.version
        LIMIT 1
    ), (
        SELECT ready.num
        FROM run AS ready
        WHERE ready.state IN ('queued', 'waiting') AND ready.held = 0 AND ready.due IS NOT NULL
            AND ready.flow = kind.flow AND ready.queue = kind.queue AND ready.requires > kind.requires
        ORDER BY ready.requires, ready.version
        LIMIT 1
    ), (
        SELECT ready.num
        FROM run AS ready
        WHERE ready.state IN ('queued', 'waiting') AND ready.held = 0 AND ready.due IS NOT NULL
            AND ready.flow = kind.flow AND ready.queue > kind.queue
        ORDER BY ready.queue, ready.requires, ready.version
        LIMIT 1
    ))
), taken (flow, queue, requires, version) AS MATERIALIZED (
    SELECT flow, queue, requires, version
    FROM kind
    WHERE (:queues IS NULL OR queue IN (SELECT value FROM json_each(:queues)))
        AND (:tags IS NULL OR NOT EXISTS (
            SELECT 1 FROM json_each(kind.requires) AS need WHERE need.value NOT IN (SELECT value FROM json_each(:tags))
        ))
        AND NOT EXISTS (
            SELECT 1
            FROM json_each(:elsewhere) AS pair
            WHERE json_extract(pair.value, '$[0]') = kind.flow AND json_extract(pair.value, '$[1]') = kind.version
        )
)
