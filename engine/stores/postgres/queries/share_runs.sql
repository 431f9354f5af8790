-- The caller gives the numbers in order.
SELECT locked.*
FROM unnest($1::bigint[]) AS held (num)
CROSS JOIN LATERAL (
    SELECT num, epoch, state, parent FROM headrace.run WHERE num = held.num FOR SHARE
) AS locked
