-- The tables
--
--   run       one row per run: what was asked for, where it is in its life, how it ended
--   journal   one row per thing a run has done; append-only; read as a whole when the run is taken up again
--   signal    named messages to runs, in order of arrival
--   log       lines that user code logged inside a run
--   node      the processes that run flows; each holds an operating system lock beside this file while it lives
--   slot      pool slots that are held, by whom
--   run_tag   tags of runs, so that a list by tag does not read the runs without it
--
-- The path of a run
--
--   create    inserts it as 'queued'; `due` is when it may start, 0 for at once
--   claim     'queued' or 'waiting' and due -> 'running': `owner` is the node, `epoch` grows by one
--   write     journal rows of the owner; every transaction checks `epoch`, so a former owner writes nothing
--   park      'running' -> 'waiting': `due` is when to wake it, NULL when only an event will
--   wake      a signal, the end of a child or a cancel request: 'waiting' -> 'queued'
--   rescue    its node died: 'running' -> 'queued' with a higher epoch, or 'failed' when that happened too often
--   end       'running' -> 'succeeded', 'failed', 'cancelled', or 'diverged', which waits for a person
--   prune     the row and everything that hangs on it are deleted
--
-- Times are nanoseconds since the epoch. Span ids are unsigned 64 bit numbers kept as signed ones.
-- There are no foreign keys: the journal is the hot path, and its epoch check already looks the run up.

-- AUTOINCREMENT here and in `signal`: a number that was pruned must not come back, or old fences and old
-- positions would fit new rows. Large columns come last, so that the fence does not read past them.
CREATE TABLE run (
    num           INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch         INTEGER NOT NULL DEFAULT 0,
    state         TEXT    NOT NULL DEFAULT 'queued',
    due           INTEGER DEFAULT 0,
    owner         TEXT,
    id            TEXT    NOT NULL,
    flow          TEXT    NOT NULL,
    version       TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,
    python        TEXT    NOT NULL,
    created       INTEGER NOT NULL,
    started       INTEGER,
    ended         INTEGER,
    timeout       INTEGER,
    scheduled_for INTEGER,
    crashes       INTEGER NOT NULL DEFAULT 0,
    crash_seq     INTEGER NOT NULL DEFAULT -1,
    exported      INTEGER NOT NULL DEFAULT -1,
    trace         TEXT    NOT NULL,
    span          INTEGER NOT NULL,
    sampled       INTEGER NOT NULL,
    parent        INTEGER,
    parent_key    TEXT,
    parent_span   INTEGER NOT NULL,
    rerun_of      TEXT,
    origin        TEXT    NOT NULL,
    cancel        TEXT,
    result_blob   TEXT,
    tags          TEXT    NOT NULL,
    params        BLOB    NOT NULL,
    result        BLOB,
    error         BLOB,
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
    CONSTRAINT run_epoch_grows_from_zero CHECK (epoch >= 0),
    CONSTRAINT run_sampled_is_boolean CHECK (sampled IN (0, 1))
) STRICT;

-- What may be claimed, and when: finished runs are not in it, however many there are.
CREATE INDEX run_ready ON run (flow, due) WHERE state IN ('queued', 'waiting');
CREATE INDEX run_cancel_asked ON run (num) WHERE cancel IS NOT NULL AND ended IS NULL;
CREATE INDEX run_children ON run (parent) WHERE parent IS NOT NULL;
CREATE INDEX run_by_state ON run (state);
CREATE INDEX run_by_flow ON run (flow);
CREATE INDEX run_by_end ON run (ended) WHERE ended IS NOT NULL;
CREATE INDEX run_by_blob ON run (result_blob) WHERE result_blob IS NOT NULL;

-- WITHOUT ROWID: the rows of a run lie together, so replay reads neighbouring pages.
-- No index but the one over the few rows that name a blob.
CREATE TABLE journal (
    run      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    args     TEXT    NOT NULL,
    attempt  INTEGER NOT NULL,
    started  INTEGER NOT NULL,
    ended    INTEGER NOT NULL,
    span     INTEGER NOT NULL,
    parent   INTEGER NOT NULL,
    outcome  TEXT    NOT NULL,
    value    BLOB    NOT NULL,
    blob     TEXT,
    epoch    INTEGER NOT NULL,
    CONSTRAINT journal_key PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_by_blob ON journal (blob) WHERE blob IS NOT NULL;

CREATE TABLE signal (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    run     INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    payload BLOB    NOT NULL,
    sent    INTEGER NOT NULL
) STRICT;

CREATE INDEX signal_by_run ON signal (run);

CREATE TABLE log (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    level   TEXT    NOT NULL,
    logger  TEXT    NOT NULL,
    message TEXT    NOT NULL,
    task    TEXT    NOT NULL,
    attempt INTEGER NOT NULL,
    span    INTEGER NOT NULL
) STRICT;

CREATE INDEX log_by_run ON log (run);

CREATE TABLE node (
    id      TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    host    TEXT    NOT NULL,
    started INTEGER NOT NULL,
    flows   TEXT    NOT NULL,
    CONSTRAINT node_key PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE slot (
    pool TEXT    NOT NULL,
    run  INTEGER NOT NULL,
    key  TEXT    NOT NULL,
    node TEXT    NOT NULL,
    CONSTRAINT slot_key PRIMARY KEY (pool, run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_tag (
    tag TEXT    NOT NULL,
    run INTEGER NOT NULL,
    CONSTRAINT run_tag_key PRIMARY KEY (tag, run)
) STRICT, WITHOUT ROWID;
