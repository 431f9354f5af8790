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

CREATE TABLE node (
    id      TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    host    TEXT    NOT NULL,
    started INTEGER NOT NULL,
    flows   TEXT    NOT NULL, duty TEXT NOT NULL DEFAULT '{}',
    CONSTRAINT node_key PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE rate (
    name TEXT    NOT NULL,
    next INTEGER NOT NULL,
    CONSTRAINT rate_key PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

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
    error         BLOB, priority INTEGER NOT NULL DEFAULT 5, rank INTEGER NOT NULL DEFAULT 0, queue TEXT NOT NULL DEFAULT 'default', requires TEXT NOT NULL DEFAULT '[]', pool TEXT, lane TEXT, held INTEGER NOT NULL DEFAULT 0,
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

CREATE TABLE run_tag (
    tag TEXT    NOT NULL,
    run INTEGER NOT NULL,
    CONSTRAINT run_tag_key PRIMARY KEY (tag, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE schema (
    version  INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    checksum TEXT    NOT NULL,
    applied  TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    CONSTRAINT schema_key PRIMARY KEY (version)
) STRICT, WITHOUT ROWID;

CREATE TABLE signal (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    run     INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    payload BLOB    NOT NULL,
    sent    INTEGER NOT NULL
) STRICT;

CREATE TABLE slot (
    pool TEXT    NOT NULL,
    run  INTEGER NOT NULL,
    key  TEXT    NOT NULL,
    node TEXT    NOT NULL,
    CONSTRAINT slot_key PRIMARY KEY (pool, run, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_by_blob ON journal (blob) WHERE blob IS NOT NULL;

CREATE INDEX log_by_run ON log (run);

CREATE INDEX run_by_blob ON run (result_blob) WHERE result_blob IS NOT NULL;

CREATE INDEX run_by_end ON run (ended) WHERE ended IS NOT NULL;

CREATE INDEX run_by_flow ON run (flow);

CREATE INDEX run_by_pool ON run (pool) WHERE pool IS NOT NULL AND state = 'running';

CREATE INDEX run_by_state ON run (state);

CREATE INDEX run_cancel_asked ON run (num) WHERE cancel IS NOT NULL AND ended IS NULL;

CREATE INDEX run_children ON run (parent) WHERE parent IS NOT NULL;

CREATE INDEX run_held ON run (lane) WHERE held = 1 AND state = 'queued';

CREATE UNIQUE INDEX run_in_lane ON run (lane)
WHERE lane IS NOT NULL AND held = 0 AND state IN ('queued', 'running', 'waiting');

CREATE INDEX run_ready ON run (flow, queue, requires, version, due, rank)
WHERE state IN ('queued', 'waiting') AND held = 0 AND due IS NOT NULL;

CREATE INDEX signal_by_run ON signal (run);

