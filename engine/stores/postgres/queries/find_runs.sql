SELECT * FROM headrace.run WHERE num = ANY ($1::bigint[]) ORDER BY num
