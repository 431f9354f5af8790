-- The kinds of runs (flow, queue, what they require, version) that are ready, and of them those that are taken here.
-- Each is found by a leap over the index, so that a long queue of what nobody here takes costs nothing. `room` is what
-- is left of the pools of flows: slots are held by tasks, and by runs that are in memory.
room AS MATERIALIZED (
    SELECT pool.flow, pool.name, pool.slots
        - (SELECT count(*) FROM headrace.slot WHERE slot.pool = pool.name)
        - (SELECT count(*) FROM headrace.run WHERE run.pool = pool.name AND run.state = 'running') AS places
    FROM unnest($6::text[], $7::text[], $8::integer[]) AS pool (flow, name, slots)
), kind AS (
    SELECT first.*
    FROM unnest($1::text[]) AS served (flow)
    CROSS JOIN LATERAL (
        SELECT run.flow, run.queue, run.requires, run.version
        FROM headrace.run
        WHERE run.state IN ('queued', 'waiting') AND NOT run.held AND run.due IS NOT NULL AND run.flow = served.flow
        ORDER BY run.queue, run.requires, run.version
        LIMIT 1
    ) AS first
    WHERE NOT EXISTS (SELECT 1 FROM room WHERE room.flow = served.flow AND room.places <= 0)
    UNION ALL
    SELECT next.*
    FROM kind
    CROSS JOIN LATERAL (
        SELECT run.flow, run.queue, run.requires, run.version
        FROM headrace.run
        WHERE run.state IN ('queued', 'waiting') AND NOT run.held AND run.due IS NOT NULL AND run.flow = kind.flow
            AND (run.queue, run.requires, run.version) > (kind.queue, kind.requires, kind.version)
        ORDER BY run.queue, run.requires, run.version
        LIMIT 1
    ) AS next
), wanted AS MATERIALIZED (
    SELECT flow, queue, requires, version
    FROM kind
    WHERE ($2::text[] IS NULL OR queue = ANY ($2))
        AND ($3::text[] IS NULL OR requires <@ $3)
        AND NOT EXISTS (
            SELECT 1
            FROM unnest($4::text[], $5::text[]) AS elsewhere (flow, version)
            WHERE elsewhere.flow = kind.flow AND elsewhere.version = kind.version
        )
)
