"""Changes: what a batch does to its runs, as the columns that the statements take."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from engine.model.change import Adopted, Batch, Ended, Exported, Parked, Released
from engine.model.entry import Entry
from engine.model.run import ENDED, RunState
from engine.stores.postgres.rows import from_log


def held(batch: Batch) -> tuple[list[int], list[int]]:
    """The runs of a batch, in the order in which they are locked, and their epochs."""
    runs = sorted(batch.epochs)
    return runs, [batch.epochs[run] for run in runs]


def moved(batch: Batch) -> set[int]:
    """The runs that must be running: one that is not cannot be ended or parked, even by its last owner."""
    return {change.num for change in batch.changes if isinstance(change, (Ended, Parked, Released))}


def stopped(batch: Batch) -> list[int]:
    """The runs whose turn in their lane is over."""
    return [change.num for change in batch.changes if isinstance(change, Ended)]


def over(batch: Batch) -> list[int]:
    """The runs for which a parent has waited."""
    return [change.num for change in batch.changes if isinstance(change, Ended) and change.state in ENDED]


def parked(batch: Batch) -> Sequence[Sequence[object]]:
    """The parameters of `park_run.sql` for each run that leaves memory."""
    parking = (change for change in batch.changes if isinstance(change, Parked))
    return [(change.num, change.wake_at, change.seen_signal, [*change.children]) for change in parking]


def written(batch: Batch, mark: int, *, alone: bool) -> Sequence[object]:
    """The parameters of `write_batch.sql`. `mark` names the log lines."""
    runs, epochs = held(batch)
    logs = [from_log(line) for line in batch.logs]
    return (runs, over(batch), epochs, alone, *_become(batch, runs), *lines(batch.entries), *_turned(logs, 8), mark)


def lines(entries: Sequence[Entry]) -> Sequence[Sequence[object]]:
    """The columns of journal lines."""
    return _turned(entries, 16)


def _become(batch: Batch, runs: Sequence[int]) -> Sequence[Sequence[object]]:
    """State, result, where that is, error, end, mark of export, version, fingerprint, Python: None is left alone."""
    plain: list[object] = [None] * 9
    rows: dict[int, list[object]] = {}
    for change in batch.changes:
        row = rows.setdefault(change.num, plain.copy())
        match change:
            case Ended(_, state, result, blob, error, at):
                row[:5] = state.value, result, blob, error, at
            case Released():
                row[0] = RunState.QUEUED.value
            case Exported(_, seq):
                row[5] = seq  # they come in order
            case Adopted(_, version, fingerprint, python):
                row[6:] = version, fingerprint, python
            case Parked():
                continue
    return _turned([rows.get(run, plain) for run in runs], 9)


def _turned(rows: Sequence[Sequence[object]], width: int) -> Sequence[Sequence[object]]:
    """Columns instead of rows."""
    return [list(map(itemgetter(n), rows)) for n in range(width)]
