DELETE FROM headrace.slot WHERE run = ANY ($1::bigint[])
