"""Ends: who waits for the end of which run, and which ends have to be looked for in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from functools import partial
from itertools import islice

from engine.model.errors import HeadraceError
from engine.model.run import RunRecord, RunState


class Ends:
    """The waiters of one node. Lives on the loop's thread; a waiter that is cancelled is forgotten."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: dict[int, list[asyncio.Future[RunRecord]]] = {}
        self._patient: set[asyncio.Future[RunRecord]] = set()
        self._unseen: dict[int, None] = {}
        self._stopped: str | None = None

    def __len__(self) -> int:
        return len(self._waiters)

    def wait(self, num: int, *, patient: bool = False) -> asyncio.Future[RunRecord]:
        """Done when the run has ended, or, unless `patient`, stands still in DIVERGED.

        Fails when it will not be seen to end here.
        """
        future: asyncio.Future[RunRecord] = self._loop.create_future()
        if self._stopped is not None:
            _fail(future, self._gone(num))
            return future
        self._waiters.setdefault(num, []).append(future)
        if patient:
            self._patient.add(future)
        future.add_done_callback(partial(self._forget, num))
        return future

    def ended(self, record: RunRecord) -> None:
        """A run has ended, or stands still."""
        waiters = self._waiters.pop(record.num, [])
        if record.state is RunState.DIVERGED:
            stay = [future for future in waiters if future in self._patient]
            if stay:
                self._waiters[record.num] = stay
            waiters = [future for future in waiters if future not in self._patient]
        for future in waiters:
            if not future.done():
                future.set_result(record)

    def fail(self, num: int, error: Exception) -> None:
        """Nobody here can say how this run goes on: those who wait are told why."""
        for future in self._waiters.pop(num, []):
            if not future.done():
                _fail(future, error)

    def changed(self, here: Container[int]) -> None:
        """The store has changed: any run that is not in this process's hands may have ended."""
        self._unseen.update(dict.fromkeys(num for num in self._waiters if num not in here))

    def unseen(self, limit: int) -> list[int]:
        """Runs to look at, those first that have waited longest; each is answered once per change."""
        nums = list(islice(self._unseen, limit))
        for num in nums:
            del self._unseen[num]
        return [num for num in nums if num in self._waiters]

    def stop(self, why: str) -> None:
        """Ends will not be seen here any more: everybody is told, and whoever asks later."""
        self._stopped = why
        for num in list(self._waiters):
            self.fail(num, self._gone(num))

    def _gone(self, num: int) -> HeadraceError:
        return HeadraceError(
            f"the node stopped before run number {num} had ended ({self._stopped}); it goes on when a node starts again"
        )

    def _forget(self, num: int, future: asyncio.Future[RunRecord]) -> None:
        self._patient.discard(future)
        waiters = self._waiters.get(num)
        if future.cancelled() and waiters is not None:
            waiters.remove(future)
            if not waiters:
                del self._waiters[num]


def _fail(future: asyncio.Future[RunRecord], error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # whoever awaits it still gets it; nobody need hear of it twice
