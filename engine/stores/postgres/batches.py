"""Batches: each is written as one statement, or as one message, so that no lock of it waits for the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.model.change import Batch, Parked
from engine.model.run import RunState
from engine.stores.postgres.changes import held, lines, moved, over, parked, stopped, written
from engine.stores.postgres.connect import Connection, Door, Row
from engine.stores.postgres.database import unfinished
from engine.stores.postgres.doubt import landed
from engine.stores.postgres.errors import DIVISION_BY_ZERO, code_of
from engine.stores.postgres.message import Statement, apart, rows_of, send
from engine.stores.postgres.statements import statement

INSERT_FENCED_ENTRIES = statement("insert_fenced_entries")
WRITE_BATCH = statement("write_batch")
LOCK_RUNS = statement("lock_runs")
CHECK_FENCE = statement("check_fence")
PARK_RUN = statement("park_run")
LET_GO_AFTER = statement("let_go_after")
FIND_EPOCHS = statement("find_epochs")

NOBODY: frozenset[int] = frozenset()

LARGE: Final = 1024
"""Lines from which COPY is worth its round trips.

On an idle loop that is from 64 lines on. But while a group is written the loop runs the tasks of the next one, and
each answer waits for a whole pass of theirs: in a fan-out one INSERT, sent at once, is 1.4 times as fast with 512.
"""


async def write_batch(connection: Connection, door: Door, batch: Batch, mark: int) -> frozenset[int]:
    """Write a batch in one transaction; answers the runs that were fenced. `mark` names the batch's log lines."""
    if not (batch.changes or batch.logs):
        if len(batch.entries) >= LARGE and not door.pooled and await _copy(connection, door, batch):
            return NOBODY
        return await _write_entries(connection, door, batch, mark)
    if not (door.pooled or any(isinstance(change, Parked) for change in batch.changes)):
        rows = await connection.fetch(door.address.sql(WRITE_BATCH), *written(batch, mark, alone=True))
        if not rows or rows[0]["num"] is not None:
            return _missing(batch, rows)
    return await _write_in_steps(connection, door, batch, mark)


async def _write_entries(connection: Connection, door: Door, batch: Batch, mark: int) -> frozenset[int]:
    values = (*lines(batch.entries), *held(batch))
    if not door.pooled:
        return _missing(batch, await connection.fetch(door.address.sql(INSERT_FENCED_ENTRIES), *values))
    fitting = rows_of(await send(connection, door, (INSERT_FENCED_ENTRIES, values)))
    if fitting == len(batch.epochs):
        return NOBODY
    there = await landed(connection, door, batch, mark) if fitting else None
    return frozenset(batch.epochs) if there is None else there


async def _copy(connection: Connection, door: Door, batch: Batch) -> bool:
    """Copy lines, then lock and check their runs and commit in one message; False when one is fenced."""
    runs, epochs = held(batch)
    nobody: list[int] = []
    checking: Sequence[Statement] = ((LOCK_RUNS, (runs, nobody)), (CHECK_FENCE, (runs, epochs, [False] * len(runs))))
    try:
        async with unfinished(connection, door):
            # Only who has taken a run over would write the same lines, and it has ended this connection before.
            await connection.copy_records_to_table("journal", records=batch.entries, schema_name=door.address.schema)
            await send(connection, door, *checking, then="COMMIT")
    except Exception as error:
        if code_of(error) != DIVISION_BY_ZERO:
            raise
        return False
    return True


async def _write_in_steps(connection: Connection, door: Door, batch: Batch, mark: int) -> frozenset[int]:
    """Write a batch by statements that see what the first of them has waited for: all of it, but for fenced runs."""
    fenced = NOBODY
    while left := _without(batch, fenced):
        try:
            await send(connection, door, *_steps(left, mark))
            break
        except Exception as error:
            if code_of(error) != DIVISION_BY_ZERO:
                raise
        async with apart(connection, door):
            rows = await connection.fetch(door.address.sql(FIND_EPOCHS), [*left.epochs])
        asleep = {row["num"] for row in rows if row["state"] != RunState.RUNNING} & moved(left)
        fenced |= _missing(left, [row for row in rows if row["epoch"] == left.epochs[row["num"]]]) | asleep
    return fenced


def _steps(batch: Batch, mark: int) -> Sequence[Statement]:
    runs, epochs = held(batch)
    moving = moved(batch)
    return (
        (LOCK_RUNS, (runs, over(batch))),
        (CHECK_FENCE, (runs, epochs, [run in moving for run in runs])),
        # First of all: a parent may park in the same batch in which its child ends.
        *((PARK_RUN, values) for values in parked(batch)),
        (WRITE_BATCH, written(batch, mark, alone=False)),
        (LET_GO_AFTER, (stopped(batch),)),
    )


def _without(batch: Batch, fenced: frozenset[int]) -> Batch:
    if not fenced:
        return batch
    return Batch(
        entries=[entry for entry in batch.entries if entry.run not in fenced],
        changes=[change for change in batch.changes if change.num not in fenced],
        logs=[line for line in batch.logs if line.run not in fenced],
        epochs={run: epoch for run, epoch in batch.epochs.items() if run not in fenced},
    )


def _missing(batch: Batch, rows: Sequence[Row]) -> frozenset[int]:
    """The runs of a batch that are not among these."""
    if len(rows) == len(batch.epochs):
        return NOBODY
    return frozenset(batch.epochs) - {row["num"] for row in rows}
