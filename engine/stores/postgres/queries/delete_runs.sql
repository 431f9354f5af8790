DELETE FROM headrace.run WHERE num = ANY ($1::bigint[])
