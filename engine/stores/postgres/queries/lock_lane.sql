-- The unfinished runs of the lane $1, and their parents, which a change of them may wake; and the run $2, if given.
WITH there AS MATERIALIZED (
-- include in_lane
)
SELECT 1
FROM headrace.run
WHERE num = ANY (ARRAY(
    SELECT num FROM there UNION SELECT parent FROM there WHERE parent IS NOT NULL UNION SELECT $2::bigint
))
ORDER BY num
FOR NO KEY UPDATE
