-- In the lanes of the runs $1, which have ended.
WITH freed AS (
    SELECT DISTINCT lane FROM headrace.run WHERE num = ANY ($1::bigint[]) AND lane IS NOT NULL
)
-- include next_turn
