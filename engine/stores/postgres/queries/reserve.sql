-- `next` is when the next start would be due if all came evenly. Who is early by less than the burst starts at once.
WITH clock AS MATERIALIZED (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint AS now
), place AS (
    INSERT INTO headrace.rate AS known (name, next)
    SELECT $1, clock.now + $2::bigint FROM clock
    ON CONFLICT (name) DO UPDATE SET next = greatest(known.next, excluded.next - $2) + $2
    RETURNING next
)
SELECT greatest(0, place.next - $3::integer * $2 - clock.now) FROM place CROSS JOIN clock
