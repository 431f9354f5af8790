-- IS TRUE keeps the planner from going by the state, which thousands may have, instead of the numbers.
UPDATE headrace.run
SET state = gone.state, result = gone.result, result_blob = gone.result_blob, error = gone.error, ended = gone.at,
    owner = NULL, claim = NULL
FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bigint[])
    AS gone (num, state, result, result_blob, error, at)
WHERE run.num = ANY ($1::bigint[]) AND run.num = gone.num AND (run.state = 'running') IS TRUE
