"""History: what people and other programs read about runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from engine.model.entry import Entry
from engine.model.run import LogLine, RunRecord, RunState


class History(Protocol):
    """Reading, and forgetting."""

    async def list_runs(
        self,
        *,
        states: Collection[RunState] = (),
        flow: str | None = None,
        tag: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        """Newest first; `before` is the number of the last run of the page before this one."""
        ...

    async def unfinished(self, *, flow: str | None = None) -> Sequence[RunRecord]:
        """All runs that have not ended, oldest first."""
        ...

    async def count_runs(self) -> dict[RunState, int]:
        """How many runs there are in each state that is not final. The others may be millions, and are not counted."""
        ...

    async def last_lines(self, runs: Collection[int], *, each: int) -> Sequence[Entry]:
        """The last `each` journal lines of each of these runs, in order: one query for a whole list.

        Only lines that tell of a wait, or of a failed attempt, have their value; results may be large.
        """
        ...

    async def open_children(self, runs: Collection[int], *, each: int) -> Sequence[RunRecord]:
        """Of each of these runs up to `each` child runs that have not ended: one query for a whole list."""
        ...

    async def logs(self, run: int, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, LogLine]]:
        """Log lines with their position, oldest first, from positions above `after`."""
        ...

    async def prune(self, *, ended_before: int, limit: int) -> tuple[int, Sequence[str]]:
        """Forget up to `limit` runs that ended before a time: how many, and the blobs nobody names any more.

        A child run stays as long as its parent has not ended, which may ask for it on replay.
        """
        ...
