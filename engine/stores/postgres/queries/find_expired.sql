-- A server that has just come up gives those a lease's time who could not renew while it was away.
-- Who is just renewing is skipped.
SELECT id, token
FROM headrace.node
WHERE expires < clock_timestamp()
    AND id <> ALL ($1::text[])
    AND (renewed > pg_postmaster_start_time() OR pg_postmaster_start_time() + $2 < clock_timestamp())
ORDER BY id
FOR UPDATE SKIP LOCKED
