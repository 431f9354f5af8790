-- These runs, and the parents of those that end, in order of number.
SELECT num, epoch, state, parent, lane
FROM headrace.run
WHERE num = ANY (ARRAY(
    SELECT * FROM unnest($1::bigint[])
    UNION
    SELECT parent FROM headrace.run WHERE num = ANY ($2::bigint[]) AND parent IS NOT NULL
))
ORDER BY num
FOR NO KEY UPDATE
