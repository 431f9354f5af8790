-- Slots of each pool that are held: by tasks, and by runs that are in memory.
SELECT pool.name,
    (SELECT count(*) FROM headrace.slot WHERE slot.pool = pool.name)
    + (SELECT count(*) FROM headrace.run WHERE run.pool = pool.name AND run.state = 'running') AS held
FROM unnest($1::text[]) AS pool (name)
