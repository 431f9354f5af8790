"""Group commit: whatever was recorded since the last commit goes into one transaction and is announced once.

No timers and no artificial delay: the first line of a group asks for a commit at the end of this pass of the loop, a
full group commits at once, and while a slow store is busy the next group gathers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from engine.model.change import Batch, Change
from engine.model.entry import Entry
from engine.model.errors import Fenced, StoreError
from engine.model.run import LogLine
from engine.ports.journal import Journal

LIMIT: Final = 512
"""Lines in a group. Measured: larger groups gain under 5 % and hold the loop for more than a few milliseconds."""


LOG_LIMIT: Final = 10_000
"""Log lines that may wait for the next commit. Code that logs faster than the store writes loses lines, not memory."""


class Writer(Protocol):
    """A run in memory, as the commit sees it."""

    @property
    def num(self) -> int:
        """The store's number of the run."""
        ...

    @property
    def epoch(self) -> int:
        """The fence of everything written for it."""
        ...

    def take_lines(self) -> tuple[list[Entry], Callable[[], None]]:
        """The lines recorded since the last call, and what to call when they are on disk; the group is closed."""
        ...

    def written(self, lines: list[Entry]) -> None:
        """These lines are on disk."""

    def fenced(self) -> None:
        """Another node owns the run: nothing was written, nothing may be."""

    def unwritable(self, error: Exception) -> None:
        """The store failed; the lines are lost, and the run must leave memory."""


class GroupCommit:
    """One per node. Lives on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, journal: Journal) -> None:
        self._loop = loop
        self._journal = journal
        self._writers: dict[Writer, None] = {}
        self._changes: list[tuple[Change, Callable[[Exception | None], None]]] = []
        self._epochs: dict[int, int] = {}
        self._logs: list[LogLine] = []
        self._lines = 0
        self._scheduled = False
        self._formed = 0
        self._done = 0
        self._idle: list[asyncio.Future[None]] = []
        self._news: dict[Writer, list[Entry]] = {}

    def touch(self, writer: Writer, lines: int = 1) -> None:
        """The writer has lines to be committed at the end of this pass, or now when that makes a full group."""
        self._writers[writer] = None
        self._lines += lines
        if self._lines >= LIMIT:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_pass)

    def now(self, writer: Writer, line: Entry) -> bool:
        """Commit one line of a run at once. False when the store cannot, and nothing was written: use `touch`.

        Call only when `free`. Raises CancelledError when the store failed or the run was lost to another node;
        the writer has then been told.
        """
        try:
            answer = self._journal.write_one(line)
        except StoreError as error:
            writer.unwritable(error)
            raise asyncio.CancelledError("the store failed") from error
        if answer is None:
            return False
        if not answer:
            writer.fenced()
            raise asyncio.CancelledError("this node no longer owns the run")
        self.told(writer, line)
        return True

    def told(self, writer: Writer, line: Entry) -> None:
        """A line is on disk: its writer hears of it, with others, before the loop turns twice."""
        lines = self._news.get(writer)
        if lines is not None:
            lines.append(line)
            return
        if not self._news:
            self._loop.call_soon(self._tell)
        self._news[writer] = [line]

    def _tell(self) -> None:
        news, self._news = self._news, {}
        for writer, lines in news.items():
            writer.written(lines)

    @property
    def free(self) -> bool:
        """True when nothing waits to be written or is being written, and the store writes at once."""
        return self._done == self._formed and not (self._lines or self._changes) and self._journal.immediate

    def change(self, change: Change, epoch: int, done: Callable[[Exception | None], None] | None = None) -> None:
        """Write a change of a run in the next group; `done` hears of the outcome."""
        self._changes.append((change, done or _ignore))
        self._epochs[change.num] = epoch
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_pass)

    def log(self, line: LogLine, epoch: int) -> bool:
        """Write a log line in the next group. False: too many wait already, and this one is dropped."""
        if len(self._logs) >= LOG_LIMIT:
            return False
        self._logs.append(line)
        self._epochs.setdefault(line.run, epoch)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_pass)
        return True

    @property
    def idle(self) -> bool:
        """True when everything recorded is on disk and has been announced."""
        return self._done == self._formed and not (self._writers or self._changes or self._logs or self._news)

    def flush(self) -> None:
        """Give everything recorded so far to the store, as one batch."""
        if self._news:
            self._tell()
        if not (self._writers or self._changes or self._logs):
            return
        if self._done < self._formed and not self._journal.immediate:
            return  # the next group gathers while this one is written; `_written` sends it on
        batch = Batch(epochs=self._epochs, logs=self._logs)
        groups: list[tuple[Writer, Callable[[], None]]] = []
        for writer in self._writers:
            lines, done = writer.take_lines()
            if lines:
                batch.entries.extend(lines)
                batch.epochs[writer.num] = writer.epoch
                groups.append((writer, done))
        changes = self._changes
        batch.changes = [change for change, _ in changes]
        self._writers, self._changes, self._epochs, self._logs, self._lines = {}, [], {}, [], 0
        self._formed += 1
        if not batch:  # what its writers had recorded is void by now; somebody may wait for it all the same
            self._done += 1
            self._wake_idle()
            return

        def written(fenced: frozenset[int], error: Exception | None) -> None:
            self._done += 1
            self._announce(groups, changes, fenced, error)

        self._journal.write(batch, written)

    async def flushed(self) -> None:
        """Return when everything recorded before the call is on disk, or lost to an error its run was told of."""
        self.flush()
        last = self._formed + bool(self._writers or self._changes or self._logs)
        while self._done < last:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._idle.append(waiter)
            await waiter

    def _end_of_pass(self) -> None:
        self._scheduled = False
        self.flush()

    def _announce(
        self,
        groups: list[tuple[Writer, Callable[[], None]]],
        changes: list[tuple[Change, Callable[[Exception | None], None]]],
        fenced: frozenset[int],
        error: Exception | None,
    ) -> None:
        for writer, on_disk in groups:
            if error is not None:
                writer.unwritable(error)
            elif writer.num in fenced:
                writer.fenced()
            else:
                on_disk()
        for change, done in changes:
            done(error if error is not None else _Fence if change.num in fenced else None)
        self._wake_idle()
        if self._writers or self._changes or self._logs:
            self.flush()

    def _wake_idle(self) -> None:
        waiters, self._idle = self._idle, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


_Fence: Final = Fenced("another node owns the run now; nothing was written")


def _ignore(_: Exception | None) -> None:
    """Nobody waits for this change."""
