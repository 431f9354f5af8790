-- A child stays as long as its parent goes on, which may ask for it on replay.
SELECT num
FROM run
WHERE ended < ? AND state <> 'diverged' AND NOT EXISTS (
    SELECT 1 FROM run AS parent
    WHERE parent.num = run.parent AND (parent.ended IS NULL OR parent.state = 'diverged')
)
ORDER BY ended
LIMIT ?
