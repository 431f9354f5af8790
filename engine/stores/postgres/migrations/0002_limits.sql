-- Limits over all nodes: which runs go first, which node takes them, and which must wait for others.
--
--   priority, rank   0 to 9, and the order of those that wait: the time since when, moved forward by the priority
--   queue, requires  nodes take the runs of their queues, and of those only what they have the tags for
--   pool             of a running run: the pool of which it holds a slot; the row itself is the slot
--   lane, held       of one lane one run goes at a time; the others are held, and let go one by one in order of `num`
--   rate             when the next start of each rate would be due if all came evenly; see queries/reserve.sql
--
-- Locks
--
--   Whoever puts a run into a lane locks the one that has it, FOR SHARE: it cannot end meanwhile, and its end sees
--   whoever waits. A held run is let go after the runs that end and their parents are locked. Who claims for a pool
--   holds the pool's row.
ALTER TABLE headrace.run
    ADD COLUMN priority smallint NOT NULL DEFAULT 5,
    ADD COLUMN rank bigint NOT NULL DEFAULT 0,
    ADD COLUMN queue text NOT NULL DEFAULT 'default',
    ADD COLUMN requires text[] NOT NULL DEFAULT '{}',
    ADD COLUMN pool text,
    ADD COLUMN lane text,
    ADD COLUMN held boolean NOT NULL DEFAULT false;

-- As a run that is asked for today: five minutes are what a normal priority is worth.
UPDATE headrace.run
SET rank = greatest(created, coalesce(due, 0)) - 300000000000
WHERE ended IS NULL OR state = 'diverged';

-- What may be claimed, and in which order. Who takes which of the few kinds there are is found by leaps.
DROP INDEX headrace.run_ready;
CREATE INDEX run_ready ON headrace.run (flow, queue, requires, version, due, rank, num)
WHERE state IN ('queued', 'waiting') AND NOT held AND due IS NOT NULL;

-- One run of a lane at a time, whatever the statements say.
CREATE UNIQUE INDEX run_in_lane ON headrace.run (lane)
WHERE lane IS NOT NULL AND NOT held AND state IN ('queued', 'running', 'waiting');
CREATE INDEX run_held ON headrace.run (lane, num) WHERE held AND state = 'queued';
CREATE INDEX run_by_pool ON headrace.run (pool) WHERE pool IS NOT NULL AND state = 'running';

ALTER TABLE headrace.node ADD COLUMN duty jsonb NOT NULL DEFAULT '{}';

CREATE TABLE headrace.rate (
    name text   NOT NULL,
    next bigint NOT NULL,
    CONSTRAINT rate_key PRIMARY KEY (name)
) WITH (fillfactor = 30);
