-- A server that has just come up gives those a lease's time, $2, who could not renew while it was away.
    expires < clock_timestamp()
    AND (renewed > pg_postmaster_start_time() OR pg_postmaster_start_time() + $2 < clock_timestamp())
