"""What a run records: its journal lines, in groups, and the moment each reaches the flow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from engine.context import RunScope
from engine.core.replay import Divergence, Replay
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import Fenced, HeadraceError, StoreError
from engine.model.run import RunRecord
from engine.ports.telemetry import RunIdentity
from engine.runtime.delivery import Delivery
from engine.runtime.futures import outwait, resolve
from engine.runtime.host import Host
from engine.runtime.parking import only_ours

T = TypeVar("T")

Turn: TypeAlias = "asyncio.Future[None] | Callable[[], None]"
"""What happens when a line reaches the flow: a waiting step goes on, or a deadline or a cancellation is felt."""

BREATH: Final = 64
"""Steps that one lone chain may take before the loop turns, so that a busy run does not starve the others."""

ARGS_SHOWN: Final = 160
"""Characters of the arguments that a journal line keeps for people and for diffs. Identity is in the key's digest."""

ASSURED_EVERY: Final = 0.02
"""Seconds between two looks at whether a lease in doubt has been renewed."""

MAX_LINES: Final = 1_000_000
"""Lines in the journal of one run. Beyond it a flow should hand over to child runs, which have their own."""

UNWINDING_GRACE = 5.0
"""Seconds a flow may take to leave memory. Its `finally` blocks run then, and should not wait for anything."""


class Closing(Enum):
    """Why a run in memory takes nothing new."""

    UNWINDING = "unwinding"
    DIVERGED = "diverged"
    FENCED = "fenced"
    UNWRITABLE = "unwritable"
    FAILED = "failed"
    ENDED = "ended"


class Begun(Protocol):
    """An attempt that has begun and may not have ended."""

    @property
    def key(self) -> str:
        """Of its step."""
        ...

    def started_line(self) -> Entry:
        """What tells that it has begun."""
        ...


class Recording:
    """The lines of one run in this process. A writer of the group commit; lives on the loop's thread."""

    def __init__(self, host: Host, record: RunRecord, journal: Sequence[Entry]) -> None:
        self.host: Final = host
        self.record: Final = record
        self.num: Final = record.num
        self.epoch: Final = record.epoch
        self.loop: Final = asyncio.get_running_loop()
        # A rehearsal replays even an empty journal: what has no record is where it stops.
        self.replay: Final = Replay(journal) if journal or host.effects_forbidden else None
        self.delivery: Final = Delivery(self.loop, self.replay, only_ours=self._only_ours)
        self.identity: Final = identity_of(record)
        self.closing: Closing | None = None
        self.cause: Exception | Divergence | None = None
        self.root: asyncio.Task[Any] | None = None
        self.leftovers: Sequence[asyncio.Task[Any]] = ()
        self.left: asyncio.Future[None] = self.loop.create_future()
        self.waits: dict[asyncio.Future[Any], int | None] = {}
        self.deadlines = 0
        self.waiting_children: dict[int, None] = {}
        self.outwaited: dict[int, None] = {}
        self.performing = 0
        self.group = self.replay.last_group + 1 if self.replay else 0
        self.seq = self.replay.last_seq + 1 if self.replay else 0
        self._lines: list[Entry] = []
        self._started: dict[str, Begun] = {}
        self._turns: list[Turn] = []
        self._unwritten = 0
        self._behind = False
        self._lone_steps = 0
        self.reminder: asyncio.TimerHandle | None = None
        self._alone: tuple[asyncio.Future[None], asyncio.Task[Any] | None] | None = None
        self._unwinding: asyncio.TimerHandle | None = None
        self._lost = False

    @property
    def behind(self) -> bool:
        """True while something the flow has seen is not on disk yet."""
        return self._behind

    def next_seq(self) -> int:
        """The number of the line that is being made. Lines are added in the order in which they are made."""
        seq = self.seq
        self.seq = seq + 1
        return seq

    def line(
        self,
        kind: str,
        key: str,
        name: str,
        text: str,
        began: int,
        at: int,
        span: int,
        parent: int,
        outcome: str,
        value: bytes,
        *,
        attempt: int = 1,
        blob: str | None = None,
    ) -> Entry:
        """The next line of the journal, made and not yet added."""
        return Entry(
            self.num, self.next_seq(), self.group, kind, key, name, text[:ARGS_SHOWN],
            attempt, began, at, span, parent, outcome, value, blob, self.epoch,
        )  # fmt: skip

    def make_room(self) -> None:
        """Raises HeadraceError when the journal has no room for another step; ask before the step has any effect.

        Ends of steps under way, cancellations and deadlines are recorded beyond the limit.
        """
        if self.seq >= MAX_LINES:
            raise HeadraceError(
                f"run {self.record.id} of {self.record.flow} has {MAX_LINES:,} journal lines, the limit; "
                f"let child runs do parts of the work: `await other_flow(...)`"
            )

    def add(self, line: Entry) -> None:
        """Record a line in the next commit."""
        if self.closing is not None and (self._lost or self.closing is not Closing.UNWINDING):
            self._give_back(line)
            return
        self._lines.append(line)
        self.host.commit.touch(self)

    def _give_back(self, line: Entry) -> None:
        """A line that was just made is not written: what still tells of attempts that began takes its number."""
        if line.seq == self.seq - 1:
            self.seq = line.seq

    async def assured(self) -> None:
        """Return when this node surely is alive to the others. One that woke up late does not act for a run it lost.

        When it was declared dead it never returns: the node stops, and with it the run.
        """
        doubts = self.host.doubts
        while doubts is not None and doubts():
            await asyncio.sleep(ASSURED_EVERY)
            if self.closing is not None:
                raise asyncio.CancelledError(self.closing.value)

    async def outwait_doubts(self) -> None:
        """Like `assured`, however often the waiting is cancelled; returns as well when the run is closed."""
        doubts = self.host.doubts
        while doubts is not None and doubts() and self.closing is None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(ASSURED_EVERY)

    async def settle(self, line: Entry, scope: RunScope, me: asyncio.Task[Any] | None) -> None:
        """Record what a step came to, and return when the flow may see it: on disk, at rest, in its group.

        `me` is the asyncio task that asks. Cancelling it does not take the line back: the flow then has not seen
        it, and will not on replay.
        """
        if self.closing is not None:
            self._give_back(line)
            raise asyncio.CancelledError(self.closing.value)
        commit = self.host.commit
        if scope.body is not None:
            if not self._lines and commit.free and commit.now(self, line):
                self.group += 1
                return
            self.add(line)
            await self.on_disk()
        elif self.settle_now(line, me):
            if self._lone_steps % BREATH == 0:
                await asyncio.sleep(0)
        else:
            turn: asyncio.Future[None] = self.loop.create_future()  # one each: cancelling a waiter cancels its future
            self._turns.append(turn)
            self.add(line)
            if self.delivery.lone(me):
                self._alone = turn, me
                commit.flush()  # nothing of this run can join the group, so there is no pass of the loop to wait for
            await turn

    def settle_now(self, line: Entry, me: asyncio.Task[Any] | None) -> bool:
        """Record the result of a lone step at once. False when the flow is not one lone step, or the store is busy."""
        commit = self.host.commit
        if self._lines or not commit.free or not self.delivery.lone(me) or not commit.now(self, line):
            return False
        self.group += 1
        self._lone_steps += 1
        return True

    def settle_behind(self, line: Entry, me: asyncio.Task[Any] | None) -> bool:
        """Record a pure result without waiting, when the flow is one lone step. False: use `settle`."""
        if line.outcome != kinds.OK or self.closing is not None or not self.delivery.lone(me):
            return False
        self.add(line)
        self.group += 1
        self._behind = True
        return True

    def settle_alone(self, line: Callable[[], Entry], react: Callable[[], None]) -> None:
        """Record an event nobody awaits, in a group of its own; `react` when the flow may feel it.

        The line is made once the group before is closed: it carries the number of its own.
        """
        if self.closing is not None:
            return
        self.host.commit.flush()
        self._turns.append(react)
        self.add(line())
        self.host.commit.flush()

    async def on_disk(self) -> None:
        """Return when everything recorded is on disk. Raises CancelledError when it is not, and never will be."""
        await self.host.commit.flushed()
        if self.closing is not None:  # told at once, a run is not interrupted before it waits for something
            raise asyncio.CancelledError(self.closing.value)

    def note_started(self, one: Begun) -> None:
        """An attempt began. Written with the next commit, unless its result is there first."""
        if self._lost:
            return
        self._started[one.key] = one
        self.host.commit.touch(self, 0)

    def started_over(self, key: str) -> None:
        """An attempt has ended: if nobody knows yet that it began, nobody needs to."""
        self._started.pop(key, None)

    def take_lines(self) -> tuple[list[Entry], Callable[[], None]]:
        """For the commit: the lines of the group that closes now, and what to call when they are on disk."""
        self._lines += [attempt.started_line() for attempt in self._started.values()]
        self._started.clear()
        lines, self._lines = self._lines, []
        turns, self._turns = self._turns, []
        if lines:
            self.group += 1
            self._unwritten += 1
        return lines, lambda: self._group_written(lines, turns)

    def _group_written(self, lines: list[Entry], turns: list[Turn]) -> None:
        self._unwritten -= 1
        self.written(lines)
        if not turns or self.closing is not None:
            return
        if self._at_rest_for(turns):
            _deliver(turns)
        else:
            self.delivery.committed(lambda: _deliver(turns))

    def _at_rest_for(self, turns: list[Turn]) -> bool:
        """Whether the flow is one task that still awaits the only step of this group: then it is at rest, and knowing
        that saves the passes of the loop in which the delivery would look for it.
        """
        alone, self._alone = self._alone, None
        return (
            alone is not None
            and len(turns) == 1
            and turns[0] is alone[0]
            and not self.delivery.pending
            and self.delivery.lone(alone[1])
        )

    def written(self, lines: list[Entry]) -> None:
        """These lines are on disk."""
        self.host.telemetry.recorded(self.identity, lines)
        if not self._lines and not self._unwritten:
            self._behind = False

    def fenced(self) -> None:
        """For the commit: another node owns this run."""
        self._lose()
        self.close(Closing.FENCED, None)

    def unwritable(self, error: Exception) -> None:
        """For the commit: the store failed."""
        self._lose()
        self.close(Closing.UNWRITABLE, error)

    def _lose(self) -> None:
        """What gathered behind lines that are lost is not written either: a journal has no holes."""
        self._lost = True
        self._lines.clear()
        self._started.clear()
        self._turns.clear()

    async def stored(self, work: Awaitable[T]) -> T:
        """What the store answers. When it fails the run leaves memory; its code is not told, which could not replay."""
        try:
            return await work
        except Fenced as error:
            self.fenced()
            raise asyncio.CancelledError("another node owns this run") from error
        except StoreError as error:
            self.unwritable(error)
            raise asyncio.CancelledError("the store failed") from error

    async def call_off(self, line: Callable[[], Entry]) -> None:
        """Record that a step was cancelled, and return when the flow may feel that it has ended.

        Ending takes time: a body cleans up, a child run is told. What else reaches the flow meanwhile must do so on
        replay, too, so the end is delivered like a result. Cancelling again does not hurry it.
        """
        if self.host.effects_forbidden:
            return
        turn: asyncio.Future[None] = self.loop.create_future()
        self._turns.append(turn)
        self.add(line())
        await self.outwait(turn)

    async def outwait(self, future: asyncio.Future[Any]) -> None:
        """Wait for a future however often the waiting is cancelled, unless the run is closed. Raises what it raises."""
        await outwait(future, unless=lambda: self.closing is not None)
        if future.done() and not future.cancelled():
            future.result()

    @property
    def awaited_children(self) -> AbstractSet[int]:
        """The child runs that something of this run waits for, told to end or not."""
        return self.waiting_children.keys() | self.outwaited.keys()

    @property
    def all_written(self) -> bool:
        """True when nothing of this run waits to be on disk."""
        return not (self._lines or self._started or self._unwritten)

    def close(self, why: Closing, cause: Exception | Divergence | None) -> None:
        """Take nothing new from now on and end what runs. The first reason counts.

        `left` is done when the code has had its time to unwind, whether or not it used it for that.
        """
        if self.closing is not None:
            return
        self.closing = why
        self.cause = cause
        self.delivery.close()
        if self.root is not None and why is not Closing.ENDED:
            for task in [*self.delivery.tasks, *self.leftovers, self.root]:
                task.cancel(why.value)
            self._unwinding = self.loop.call_later(UNWINDING_GRACE, resolve, self.left, None)

    def end(self) -> None:
        """The run is out of memory: what its code asks from now on is an error."""
        self.closing = Closing.ENDED
        self.delivery.close()
        for timer in (self.reminder, self._unwinding):
            if timer is not None:
                timer.cancel()

    def _only_ours(self) -> bool:
        return self.performing == 0 and only_ours(self.delivery.tasks, self.waits, self.delivery)


def _deliver(turns: list[Turn]) -> None:
    for turn in turns:
        if callable(turn):
            turn()
        else:
            resolve(turn, None)


def identity_of(record: RunRecord) -> RunIdentity:
    """What stands on every span of a run."""
    return RunIdentity(
        num=record.num,
        run_id=record.id,
        flow=record.flow,
        version=record.version,
        trace=bytes.fromhex(record.trace),
        span=record.span,
        parent=record.parent_span,
        sampled=record.sampled,
        trigger="subflow" if record.parent is not None else "api",
        root_id=record.id.partition("/")[0],
    )
