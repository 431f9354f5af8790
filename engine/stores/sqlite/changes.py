"""Changes: what one batch writes, inside a transaction."""

from __future__ import annotations

import sqlite3

from engine.model.change import Adopted, Batch, Change, Ended, Exported, Parked, Released
from engine.model.entry import Entry
from engine.model.run import ENDED, RunState
from engine.stores.sqlite.rows import array
from engine.stores.sqlite.statements import statement

INSERT_ENTRY = statement("insert_entry")
APPEND_ENTRY = statement("append_entry")
CHECK_EPOCH = statement("check_epoch")
END_RUN = statement("end_run")
PARK_RUN = statement("park_run")
RELEASE_RUN = statement("release_run")
WAKE_RUN = statement("wake_run")
LET_GO = statement("let_go")
MARK_EXPORTED = statement("mark_exported")
ADOPT_VERSION = statement("adopt_version")
INSERT_LOG = statement("insert_log")

NOBODY: frozenset[int] = frozenset()


def is_single(batch: Batch) -> bool:
    """Whether the batch is one entry and nothing else, so that one statement is the whole transaction."""
    entries, epochs = batch.entries, batch.epochs
    return (
        len(entries) == 1
        and len(epochs) == 1
        and not batch.changes
        and not batch.logs
        and epochs.get(entries[0].run) == entries[0].epoch
    )


def write_single(connection: sqlite3.Connection, entry: Entry) -> frozenset[int]:
    """Write one entry and check its fence, both in one statement; answers the run if it was fenced."""
    # As a plain tuple: the driver is a third slower with any other sequence, named tuples included.
    return NOBODY if connection.execute(INSERT_ENTRY, tuple(entry)).rowcount else frozenset((entry.run,))


def write_batch(connection: sqlite3.Connection, batch: Batch) -> frozenset[int]:
    """Write a batch inside the caller's transaction; answers the runs that were fenced."""
    if is_single(batch):
        return write_single(connection, batch.entries[0])
    fenced = _fenced(connection, batch)
    entries, changes, logs = batch.entries, batch.changes, batch.logs
    if fenced:
        entries = [entry for entry in entries if entry.run not in fenced]
        changes = [change for change in changes if change.num not in fenced]
        logs = [line for line in logs if line.run not in fenced]
    connection.executemany(APPEND_ENTRY, map(tuple, entries))
    for change in changes:
        _apply(connection, change)
    if logs:
        connection.executemany(
            INSERT_LOG,
            [(n.run, n.at, n.level, n.logger, n.message, n.task, n.attempt, n.span) for n in logs],
        )
    return fenced


def _fenced(connection: sqlite3.Connection, batch: Batch) -> frozenset[int]:
    # A run that is not running cannot be ended or parked, even by its last owner.
    moved = {change.num for change in batch.changes if isinstance(change, (Ended, Parked, Released))}
    fenced: list[int] = []
    for fence in batch.epochs.items():
        row = connection.execute(CHECK_EPOCH, fence).fetchone()
        if row is None or (fence[0] in moved and row[0] != RunState.RUNNING):
            fenced.append(fence[0])
    return frozenset(fenced)


def _apply(connection: sqlite3.Connection, change: Change) -> None:
    match change:
        case Ended(num, state, result, result_blob, error, at):
            fields = {"num": num, "state": state.value, "result": result, "error": error, "at": at}
            (row,) = connection.execute(END_RUN, {**fields, "result_blob": result_blob}).fetchall()
            parent, lane = row
            if state in ENDED and parent is not None:
                connection.execute(WAKE_RUN, (parent,))
            if lane is not None:
                connection.execute(LET_GO, (lane,))
        case Parked(num, wake_at, seen_signal, children):
            connection.execute(
                PARK_RUN,
                {"num": num, "wake_at": wake_at, "seen_signal": seen_signal, "children": array(children)},
            )
        case Released(num):
            connection.execute(RELEASE_RUN, (num,))
        case Exported(num, seq):
            connection.execute(MARK_EXPORTED, {"num": num, "seq": seq})
        case Adopted(num, version, fingerprint, python):
            connection.execute(
                ADOPT_VERSION, {"num": num, "version": version, "fingerprint": fingerprint, "python": python}
            )
