-- The runs $1, and the parents of $2, those of them that end, in order of number. Nobody else moves them from now on.
SELECT num, epoch, state, parent, lane
FROM headrace.run
WHERE num = ANY (ARRAY(
    SELECT * FROM unnest($1::bigint[])
    UNION
    SELECT parent FROM headrace.run WHERE num = ANY ($2::bigint[]) AND parent IS NOT NULL
))
ORDER BY num
FOR NO KEY UPDATE
