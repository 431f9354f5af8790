-- A child stays as long as its parent goes on, which may ask for it on replay.
SELECT num
FROM headrace.run
WHERE ended IS NOT NULL AND state <> 'diverged' AND ended < $1 AND NOT EXISTS (
    SELECT 1 FROM headrace.run AS parent
    WHERE parent.num = run.parent AND (parent.ended IS NULL OR parent.state = 'diverged')
)
ORDER BY ended
LIMIT $2
