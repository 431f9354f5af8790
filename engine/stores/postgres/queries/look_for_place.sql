-- What reserve.sql would take, for who takes it in another statement; `seen` is what must not have changed till then.
WITH clock AS MATERIALIZED (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint AS now
), place AS (
    SELECT clock.now, known.next AS seen, greatest(known.next, clock.now) + $2::bigint AS next
    FROM clock
    LEFT JOIN headrace.rate AS known ON known.name = $1
)
SELECT seen, next, greatest(0, next - $3::integer * $2 - now) AS delay FROM place
