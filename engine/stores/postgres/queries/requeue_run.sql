-- The run whose turn it is in the lane $2 cannot end before this one waits, and its end sees it. Has it just ended, and
-- another one has the turn, the lane's index refuses this one: it is to be tried again.
WITH head AS MATERIALIZED (
    SELECT num
    FROM headrace.run
    WHERE lane = $2 AND NOT held AND state IN ('queued', 'running', 'waiting')
    FOR SHARE
)
UPDATE headrace.run
SET state = 'queued', due = 0, ended = NULL, error = NULL, held = EXISTS (SELECT 1 FROM head)
WHERE id = $1 AND state = 'diverged'
