DELETE FROM headrace.signal WHERE run = ANY ($1::bigint[])
