-- What claims took of which the answer was lost.
SELECT * FROM headrace.run WHERE state = 'running' AND owner = $1 AND claim = ANY ($2::bigint[]) ORDER BY rank, num
