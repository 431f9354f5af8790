-- Whether the pool $1 of $4 slots has one for the task $3 of the run $2, which may hold it already.
(
    (SELECT count(*) FROM headrace.slot WHERE pool = $1)
        + (SELECT count(*) FROM headrace.run WHERE pool = $1 AND state = 'running') < $4::integer
    OR EXISTS (SELECT 1 FROM headrace.slot WHERE pool = $1 AND run = $2 AND key = $3)
)
