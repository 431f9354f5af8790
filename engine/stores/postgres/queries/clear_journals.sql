DELETE FROM headrace.journal WHERE run = ANY ($1::bigint[])
