-- Fails, by dividing by zero, unless the runs of the node are still those numbered $2, with the progress $3.
WITH owned AS (
-- include owned
)
SELECT 1 / (count(*) = cardinality($2::bigint[]) AND count(*) = count(known.num))::integer
FROM owned
LEFT JOIN unnest($2::bigint[], $3::integer[]) AS known (num, progress)
    ON known.num = owned.num AND known.progress = owned.progress
