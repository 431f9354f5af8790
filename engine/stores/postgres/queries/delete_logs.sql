DELETE FROM headrace.log WHERE run = ANY ($1::bigint[])
