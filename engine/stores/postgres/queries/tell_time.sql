SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint
