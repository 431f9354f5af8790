"""Changes: what one batch writes, in as few round trips as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from engine.model.change import Adopted, Batch, Change, Ended, Exported, Parked, Released
from engine.model.entry import Entry
from engine.model.run import ENDED, LogLine, RunState
from engine.stores.postgres.connect import Connection, Door, Row
from engine.stores.postgres.database import transaction
from engine.stores.postgres.rows import from_log
from engine.stores.postgres.statements import statement

INSERT_FENCED_ENTRIES = statement("insert_fenced_entries")
INSERT_ENTRIES = statement("insert_entries")
SHARE_RUNS = statement("share_runs")
LOCK_RUNS = statement("lock_runs")
INSERT_LOGS = statement("insert_logs")
END_RUNS = statement("end_runs")
PARK_RUN = statement("park_run")
RELEASE_RUNS = statement("release_runs")
WAKE_RUNS = statement("wake_runs")
LET_GO = statement("let_go")
MARK_EXPORTED = statement("mark_exported")
ADOPT_VERSION = statement("adopt_version")

NOBODY: frozenset[int] = frozenset()

LARGE: Final = 1024
"""Lines from which COPY is worth its round trips.

On an idle loop that is from 64 lines on. But while a group is written the loop runs the tasks of the next one, and
each answer waits for a whole pass of theirs: in a fan-out one INSERT, sent at once, is 1.4 times as fast with 512.
"""


async def write_batch(connection: Connection, door: Door, batch: Batch, mark: int) -> frozenset[int]:
    """Write a batch in one transaction; answers the runs that were fenced. `mark` names the batch's log lines."""
    if not (batch.changes or batch.logs or door.pooled) and len(batch.entries) < LARGE:
        return await _write_small(connection, door, batch)
    async with transaction(connection, door):
        return await _write_inside(connection, door, batch, mark)


async def _write_small(connection: Connection, door: Door, batch: Batch) -> frozenset[int]:
    runs = sorted(batch.epochs)  # locks are taken in this order
    epochs = [batch.epochs[run] for run in runs]
    rows = await connection.fetch(door.address.sql(INSERT_FENCED_ENTRIES), *_columns(batch.entries), runs, epochs)
    return NOBODY if len(rows) == len(runs) else frozenset(runs) - {row["num"] for row in rows}


async def _write_inside(connection: Connection, door: Door, batch: Batch, mark: int) -> frozenset[int]:
    fenced, locked = await _lock(connection, door, batch)
    entries, changes, logs = batch.entries, batch.changes, batch.logs
    if fenced:
        entries = [entry for entry in entries if entry.run not in fenced]
        changes = [change for change in changes if change.num not in fenced]
        logs = [line for line in logs if line.run not in fenced]
    if len(entries) >= LARGE:
        await connection.copy_records_to_table("journal", records=entries, schema_name=door.address.schema)
    elif entries:
        await connection.execute(door.address.sql(INSERT_ENTRIES), *_columns(entries))
    if logs:
        await _log(connection, door, logs, mark)
    if changes:
        await _apply(connection, door, changes, locked)
    return fenced


async def _lock(connection: Connection, door: Door, batch: Batch) -> tuple[frozenset[int], Sequence[Row]]:
    """Lock the runs of a batch; answers those that are fenced, and what is locked, parents included."""
    # A run that is not running cannot be ended or parked, even by its last owner.
    moved = {change.num for change in batch.changes if isinstance(change, (Ended, Parked, Released))}
    runs = sorted(batch.epochs)
    if batch.changes:
        ending = [change.num for change in batch.changes if isinstance(change, Ended) and change.state in ENDED]
        rows = await connection.fetch(door.address.sql(LOCK_RUNS), runs, ending)
    else:
        rows = await connection.fetch(door.address.sql(SHARE_RUNS), runs)
    fits = {
        row["num"]
        for row in rows
        if row["epoch"] == batch.epochs.get(row["num"])
        and not (row["num"] in moved and row["state"] != RunState.RUNNING)
    }
    return frozenset(run for run in runs if run not in fits), rows


async def _apply(connection: Connection, door: Door, changes: Sequence[Change], locked: Sequence[Row]) -> None:
    sql = door.address.sql
    exported = [(change.num, change.seq) for change in changes if isinstance(change, Exported)]
    released = [change.num for change in changes if isinstance(change, Released)]
    ended = [change for change in changes if isinstance(change, Ended)]
    if exported:
        await connection.execute(sql(MARK_EXPORTED), *_turned(exported, 2))
    for change in changes:
        match change:
            case Adopted(num, version, fingerprint, python):
                await connection.execute(sql(ADOPT_VERSION), num, version, fingerprint, python)
            case Parked(num, wake_at, seen_signal, children):
                await connection.execute(sql(PARK_RUN), num, wake_at, seen_signal, [*children])
            case _:
                continue
    if released:
        await connection.execute(sql(RELEASE_RUNS), released)
    if ended:
        rows = [(c.num, c.state.value, c.result, c.result_blob, c.error, c.at) for c in ended]
        await connection.execute(sql(END_RUNS), *_turned(rows, 6))
        # After the parking: a parent may park in the same batch in which its child ends.
        over, stopped = {c.num for c in ended if c.state in ENDED}, {c.num for c in ended}
        woken = [row["parent"] for row in locked if row["num"] in over and row["parent"] is not None]
        if woken:
            await connection.execute(sql(WAKE_RUNS), woken)
        freed = [row["lane"] for row in locked if row["num"] in stopped and row["lane"] is not None]
        if freed:
            await connection.execute(sql(LET_GO), freed)


async def _log(connection: Connection, door: Door, logs: Sequence[LogLine], mark: int) -> None:
    await connection.execute(door.address.sql(INSERT_LOGS), *_turned([from_log(line) for line in logs], 8), mark)


def _columns(entries: Sequence[Entry]) -> Sequence[Sequence[object]]:
    return _turned(entries, 16)


def _turned(rows: Sequence[Sequence[object]], width: int) -> Sequence[Sequence[object]]:
    """Columns instead of rows."""
    return [list(map(itemgetter(n), rows)) for n in range(width)]
