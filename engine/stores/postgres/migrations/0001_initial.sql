-- The tables
--
--   run       one row per run: what was asked for, where it is in its life, how it ended
--   journal   one row per thing a run has done; append-only; read as a whole when the run is taken up again
--   signal    named messages to runs, numbered in the order in which they became visible
--   counter   the last number of a signal: whoever sends one holds this row until it has committed
--   log       lines that user code logged inside a run
--   node      the processes that run flows, each with a lease; this server's clock says when it has expired
--   pool      names of pools: whoever counts the slots of one holds its row
--   slot      pool slots that are held, by whom
--   run_tag   tags of runs, so that a list by tag does not read the runs without it
--
-- The path of a run
--
--   create    inserts it as 'queued'; `due` is when it may start, 0 for at once
--   claim     'queued' or 'waiting' and due -> 'running': `owner` is the node, `epoch` grows by one
--   write     journal rows of the owner; every transaction locks the run and checks `epoch`
--   park      'running' -> 'waiting': `due` is when to wake it, NULL when only an event will
--   wake      a signal, the end of a child or a cancel request: 'waiting' -> 'queued'
--   rescue    its node's lease expired: 'running' -> 'queued' with a higher epoch, or 'failed' after too many times
--   end       'running' -> 'succeeded', 'failed', 'cancelled', or 'diverged', which waits for a person
--   prune     the row and everything that hangs on it are deleted
--
-- Locks
--
--   Rows of `run` are locked in order of `num`, all at once, at the start of a transaction: FOR SHARE to write lines,
--   FOR NO KEY UPDATE to move the run; together with the parents of runs that end, so that a parent that parks and
--   a child that ends cannot miss each other. Only claims take runs out of order, and they skip what is locked.
--   A node's row is locked FOR KEY SHARE by what must not outlive the node: renewing the lease is not disturbed by
--   it, burying the node is.
--
-- Times are nanoseconds since the epoch, but for leases. Span ids are unsigned numbers kept as signed ones.
-- There are no foreign keys: the journal is the hot path, and its epoch check already looks the run up.

-- A run is updated some three times in its life; room on the page keeps the dead versions near.
CREATE TABLE headrace.run (
    num           bigint  GENERATED ALWAYS AS IDENTITY,
    epoch         integer NOT NULL DEFAULT 0,
    state         text    NOT NULL DEFAULT 'queued',
    due           bigint  DEFAULT 0,
    owner         text,
    claim         bigint,
    id            text    NOT NULL,
    flow          text    NOT NULL,
    version       text    NOT NULL,
    fingerprint   text    NOT NULL,
    python        text    NOT NULL,
    created       bigint  NOT NULL,
    started       bigint,
    ended         bigint,
    timeout       bigint,
    scheduled_for bigint,
    crashes       integer NOT NULL DEFAULT 0,
    crash_seq     integer NOT NULL DEFAULT -1,
    exported      integer NOT NULL DEFAULT -1,
    trace         text    NOT NULL,
    span          bigint  NOT NULL,
    sampled       boolean NOT NULL,
    parent        bigint,
    parent_key    text,
    parent_span   bigint  NOT NULL,
    rerun_of      text,
    origin        text    NOT NULL,
    cancel        text,
    result_blob   text,
    tags          text[]  NOT NULL,
    params        bytea   NOT NULL,
    result        bytea,
    error         bytea,
    CONSTRAINT run_key PRIMARY KEY (num),
    CONSTRAINT run_id_unique UNIQUE (id),
    CONSTRAINT run_state_known CHECK (
        state IN ('queued', 'running', 'waiting', 'diverged', 'succeeded', 'failed', 'cancelled')
    ),
    CONSTRAINT run_owned_while_running CHECK ((owner IS NOT NULL) = (state = 'running')),
    CONSTRAINT run_queued_has_due CHECK (state <> 'queued' OR due IS NOT NULL),
    CONSTRAINT run_due_only_while_asleep CHECK (due IS NULL OR state IN ('queued', 'waiting')),
    CONSTRAINT run_ended_has_time CHECK (
        (ended IS NOT NULL) = (state IN ('diverged', 'succeeded', 'failed', 'cancelled'))
    ),
    CONSTRAINT run_cancelled_is_final CHECK (state <> 'cancelled' OR (result IS NULL AND result_blob IS NULL)),
    CONSTRAINT run_epoch_grows_from_zero CHECK (epoch >= 0)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- What may be claimed, and in which order: finished runs are not in it, however many there are.
CREATE INDEX run_ready ON headrace.run (flow, due, num) WHERE state IN ('queued', 'waiting');
CREATE INDEX run_cancel_asked ON headrace.run (num) WHERE cancel IS NOT NULL AND ended IS NULL;
CREATE INDEX run_children ON headrace.run (parent) WHERE parent IS NOT NULL;
CREATE INDEX run_by_state ON headrace.run (state, num);
CREATE INDEX run_by_flow ON headrace.run (flow, num);
CREATE INDEX run_by_end ON headrace.run (ended) WHERE ended IS NOT NULL AND state <> 'diverged';
CREATE INDEX run_by_blob ON headrace.run (result_blob) WHERE result_blob IS NOT NULL;

CREATE TABLE headrace.journal (
    run      bigint  NOT NULL,
    seq      integer NOT NULL,
    delivery integer NOT NULL,
    kind     text    NOT NULL,
    key      text    NOT NULL,
    name     text    NOT NULL,
    args     text    NOT NULL,
    attempt  bigint  NOT NULL,
    started  bigint  NOT NULL,
    ended    bigint  NOT NULL,
    span     bigint  NOT NULL,
    parent   bigint  NOT NULL,
    outcome  text    NOT NULL,
    value    bytea   NOT NULL,
    blob     text,
    epoch    integer NOT NULL,
    CONSTRAINT journal_key PRIMARY KEY (run, seq)
);

CREATE INDEX journal_by_blob ON headrace.journal (blob) WHERE blob IS NOT NULL;

-- `token` is drawn by the sender: a signal whose fate was unknown is sent again, and arrives once.
CREATE TABLE headrace.signal (
    id      bigint NOT NULL,
    run     bigint NOT NULL,
    name    text   NOT NULL,
    payload bytea  NOT NULL,
    sent    bigint NOT NULL,
    token   bigint NOT NULL,
    CONSTRAINT signal_key PRIMARY KEY (run, id),
    CONSTRAINT signal_token_unique UNIQUE (run, token)
);

CREATE TABLE headrace.counter (
    name text   NOT NULL,
    last bigint NOT NULL,
    CONSTRAINT counter_key PRIMARY KEY (name)
) WITH (fillfactor = 10);

INSERT INTO headrace.counter VALUES ('signal', 0);

-- `batch` and `line` are given by the writer: lines whose fate was unknown are written again, and are there once.
CREATE TABLE headrace.log (
    id      bigint  GENERATED ALWAYS AS IDENTITY,
    run     bigint  NOT NULL,
    at      bigint  NOT NULL,
    level   text    NOT NULL,
    logger  text    NOT NULL,
    message text    NOT NULL,
    task    text    NOT NULL,
    attempt integer NOT NULL,
    span    bigint  NOT NULL,
    batch   bigint  NOT NULL,
    line    integer NOT NULL,
    CONSTRAINT log_key PRIMARY KEY (run, id),
    CONSTRAINT log_written_once UNIQUE (run, batch, line)
);

-- `token` is drawn by the process: it says whose lease it is, and names its connections.
CREATE TABLE headrace.node (
    id      text        NOT NULL,
    pid     integer     NOT NULL,
    host    text        NOT NULL,
    started bigint      NOT NULL,
    flows   text[]      NOT NULL,
    token   text        NOT NULL,
    renewed timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    CONSTRAINT node_key PRIMARY KEY (id)
) WITH (fillfactor = 30);

CREATE TABLE headrace.pool (
    name text NOT NULL,
    CONSTRAINT pool_key PRIMARY KEY (name)
);

CREATE TABLE headrace.slot (
    pool text   NOT NULL,
    run  bigint NOT NULL,
    key  text   NOT NULL,
    node text   NOT NULL,
    CONSTRAINT slot_key PRIMARY KEY (pool, run, key)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

CREATE TABLE headrace.run_tag (
    tag text   NOT NULL,
    run bigint NOT NULL,
    CONSTRAINT run_tag_key PRIMARY KEY (tag, run)
);
