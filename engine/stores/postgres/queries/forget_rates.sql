-- Without a row a rate is at rest, as it is with one that lies behind.
DELETE FROM headrace.rate WHERE next < (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint
