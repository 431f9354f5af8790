"""The journal: the append-only memory of each run, written in groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from engine.model.change import Batch
from engine.model.entry import Entry

Written: TypeAlias = Callable[[frozenset[int], Exception | None], None]
"""Told once per batch: the runs (by number) that were fenced and of which nothing was written, or the error
because of which nothing of the batch was written at all."""


class Journal(Protocol):
    """Where results are made durable."""

    @property
    def immediate(self) -> bool:
        """True when `write` is done, durably, by the time it returns."""
        ...

    async def read(self, run: int) -> Sequence[Entry]:
        """All lines of a run in order of `seq`. Raises StoreError."""
        ...

    def write_one(self, entry: Entry) -> bool | None:
        """Write one line and check its own epoch, durably, by the time this returns.

        True: it is on disk. False: the run was fenced. None: not possible here and now, nothing was written, use
        `write`. Raises StoreError when the store failed and nothing was written.
        """
        ...

    def write(self, batch: Batch, written: Written) -> None:
        """Write the batch in one transaction, then call `written` exactly once, on the event loop's thread.

        The transaction checks, for every run of the batch, that `batch.epochs` has its newest epoch; the rows of
        a run that fails the check are left out. Must be called on the loop's thread, never blocks it longer than
        a commit takes, and never raises: errors go to `written` as StoreError. Batches are written in the order
        of the calls. Cancelling nobody: a batch once given is written.
        """
