-- The kinds of runs that are taken here are found as in claim_runs.
WITH RECURSIVE kind AS (
    SELECT first.*
    FROM unnest($1::text[]) AS wanted (flow)
    CROSS JOIN LATERAL (
        SELECT run.flow, run.queue, run.requires, run.version
        FROM headrace.run
        WHERE run.state IN ('queued', 'waiting') AND NOT run.held AND run.due IS NOT NULL AND run.flow = wanted.flow
        ORDER BY run.queue, run.requires, run.version
        LIMIT 1
    ) AS first
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
SELECT min(ready.due)
FROM wanted
CROSS JOIN LATERAL (
    SELECT due
    FROM headrace.run
    WHERE state IN ('queued', 'waiting') AND NOT held AND flow = wanted.flow AND queue = wanted.queue
        AND requires = wanted.requires AND version = wanted.version AND due IS NOT NULL
    ORDER BY due
    LIMIT 1
) AS ready
