-- Limits over all nodes: which runs go first, which node takes them, and which must wait for others.
--
--   priority, rank   0 to 9, and the order of those that wait: the time since when, moved forward by the priority
--   queue, requires  nodes take the runs of their queues, and of those only what they have the tags for
--   pool             of a running run: the pool of which it holds a slot; the row itself is the slot
--   lane, held       of one lane one run goes at a time; the others are held, and let go one by one in order of `num`
--   rate             when the next start of each rate would be due if all came evenly; see queries/reserve.sql
ALTER TABLE run ADD COLUMN priority INTEGER NOT NULL DEFAULT 5;
ALTER TABLE run ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';
ALTER TABLE run ADD COLUMN requires TEXT NOT NULL DEFAULT '[]';
ALTER TABLE run ADD COLUMN pool TEXT;
ALTER TABLE run ADD COLUMN lane TEXT;
ALTER TABLE run ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- As a run that is asked for today: five minutes are what a normal priority is worth.
UPDATE run SET rank = max(created, coalesce(due, 0)) - 300000000000 WHERE ended IS NULL OR state = 'diverged';

-- What may be claimed, and in which order. Who takes which of the few kinds there are is found by leaps.
DROP INDEX run_ready;
CREATE INDEX run_ready ON run (flow, queue, requires, version, due, rank)
WHERE state IN ('queued', 'waiting') AND held = 0 AND due IS NOT NULL;

-- One run of a lane at a time, whatever the statements say.
CREATE UNIQUE INDEX run_in_lane ON run (lane)
WHERE lane IS NOT NULL AND held = 0 AND state IN ('queued', 'running', 'waiting');
CREATE INDEX run_held ON run (lane) WHERE held = 1 AND state = 'queued';
CREATE INDEX run_by_pool ON run (pool) WHERE pool IS NOT NULL AND state = 'running';

ALTER TABLE node ADD COLUMN duty TEXT NOT NULL DEFAULT '{}';

CREATE TABLE rate (
    name TEXT    NOT NULL,
    next INTEGER NOT NULL,
    CONSTRAINT rate_key PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
