SELECT id, run, name, payload, sent
FROM headrace.signal
WHERE run = ANY ($1::bigint[]) AND id > $2
ORDER BY id
