-- Fails, by dividing by zero, unless each run $1 has the epoch of $2, and is running if $3 says that it is moved.
SELECT 1 / (count(*) = cardinality($1::bigint[]))::integer
FROM unnest($1::bigint[], $2::integer[], $3::boolean[]) AS held (num, epoch, moved)
JOIN headrace.run ON run.num = held.num
WHERE run.num = ANY ($1::bigint[]) AND run.epoch = held.epoch AND (run.state = 'running' OR NOT held.moved)
