"""Doubt: what became of a batch whose answer was lost, found out by reading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from engine.model.change import Batch, Ended, Parked, Released
from engine.model.entry import Entry
from engine.model.run import LogLine, RunState
from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.database import transaction
from engine.stores.postgres.statements import statement

FIND_ENTRY = statement("find_entry")
FIND_LOG_BATCH = statement("find_log_batch")
FIND_EPOCHS = statement("find_epochs")

Line = TypeVar("Line", Entry, LogLine)


async def landed(connection: Connection, door: Door, batch: Batch, mark: int) -> frozenset[int] | None:
    """The fenced runs of a batch that is in the store after all; None when it is not, and is to be written again.

    A batch is there as a whole but for its fenced runs, so one trace of it is enough. Every trace can be left once
    only: should the lost attempt still be under way in the server, it or the next one fails on the same key.
    """
    async with transaction(connection, door):
        here = await _traces(connection, door, batch, mark)
        if not here:
            return None
        rows = await connection.fetch(door.address.sql(FIND_EPOCHS), [*batch.epochs])
    fits = {row["num"] for row in rows if row["epoch"] == batch.epochs.get(row["num"])}
    return frozenset(run for run in batch.epochs if run not in here and run not in fits)


async def _traces(connection: Connection, door: Door, batch: Batch, mark: int) -> set[int]:
    """The runs for which something of the batch is there. Marks and versions leave none: twice is once for them."""
    found: set[int] = set()
    for entry in _first_of_each(batch.entries):
        wanted = (entry.run, entry.seq, entry.span, entry.epoch, entry.key, entry.started)
        if await connection.fetchval(door.address.sql(FIND_ENTRY), *wanted):
            found.add(entry.run)
    for line in _first_of_each(batch.logs):
        if await connection.fetchval(door.address.sql(FIND_LOG_BATCH), line.run, mark):
            found.add(line.run)
    moved = [change.num for change in batch.changes if isinstance(change, (Ended, Parked, Released))]
    if moved:
        rows = await connection.fetch(door.address.sql(FIND_EPOCHS), moved)
        # Only the owner moves a running run without a higher epoch, and it has asked for nothing else.
        found.update(
            row["num"]
            for row in rows
            if row["epoch"] == batch.epochs.get(row["num"]) and row["state"] != RunState.RUNNING
        )
    return found


def _first_of_each(lines: Iterable[Line]) -> Iterable[Line]:
    firsts: dict[int, Line] = {}
    for line in lines:
        firsts.setdefault(line.run, line)
    return firsts.values()
