"""A run in memory: what the code of a flow talks to, and where its lines come from."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import blake2b
from typing import Any, Final, TypeAlias, TypeVar

from engine.context import CURRENT, RunScope
from engine.core.canonical import digest
from engine.core.failure import describe, encode
from engine.core.replay import Divergence, History, Replay
from engine.core.scopes import Scope, quoted, salt_of
from engine.flow import Flow
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import Fenced, HeadraceError, NotKeyable, OutsideRun, StoreError, UsageError
from engine.model.run import RunRecord, Signal
from engine.ports.telemetry import RunIdentity
from engine.runtime import childruns, performing, waiting
from engine.runtime.delivery import Delivery
from engine.runtime.futures import resolve
from engine.runtime.host import Host
from engine.runtime.parking import only_ours
from engine.task import Task

T = TypeVar("T")

Turn: TypeAlias = "asyncio.Future[None] | Callable[[], None]"
"""What happens when a line reaches the flow: a waiting step goes on, or a deadline or a cancellation is felt."""

ARGS_SHOWN: Final = 160
"""Characters of the arguments that a journal line keeps for people and for diffs. Identity is in the key's digest."""

RECENT_VALUES: Final = 64
"""Large results that are recognised, without encoding them again, when they become arguments."""

LARGE: Final = 8_192
"""Bytes from which a result counts as large in that sense."""

BREATH: Final = 64
"""Steps that one lone chain may take before the loop turns, so that a busy run does not starve the others."""

REPLAYED: Final = 1_000
"""Recorded steps that one lone chain may take before the loop turns: some 5 ms."""

MAX_LINES: Final = 1_000_000
"""Lines in the journal of one run. Beyond it a flow should hand over to child runs, which have their own."""


class Closing(Enum):
    """Why a session takes nothing new."""

    UNWINDING = "unwinding"
    DIVERGED = "diverged"
    FENCED = "fenced"
    UNWRITABLE = "unwritable"
    FAILED = "failed"
    ENDED = "ended"


class Session:
    """One run of one flow, in this process. Lives on the loop's thread; made, run and dropped by `execution`."""

    def __init__(
        self, host: Host, record: RunRecord, flow: Flow[..., Any], journal: Sequence[Entry], signals: Sequence[Signal]
    ) -> None:
        self.host: Final = host
        self.record: Final = record
        self.of: Final = flow
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
        self.waits: dict[asyncio.Future[Any], int | None] = {}
        self.deadlines = 0
        self.branched = False
        self.waiting_children: dict[int, None] = {}
        self.signals: dict[str, deque[Signal]] = {}
        self.signal_waiters: dict[str, deque[asyncio.Future[Signal]]] = {}
        self.seen_signal = 0
        self._received: dict[int, Signal] = {}
        self.performing = 0
        self.cancelling = False
        self.cancel_reason: str | None = None
        self.called_off = record.cancel
        self.overdue: Exception | None = None
        self.overdue_at = None if record.timeout is None else (record.started or record.created) + record.timeout
        self.park_check: asyncio.TimerHandle | None = None
        self.parked_until: int | None = None
        self.parked_children: list[int] = []
        self._thread = threading.get_ident()
        self._seq = self.replay.last_seq + 1 if self.replay else 0
        self.group = self.replay.last_group + 1 if self.replay else 0
        self._lines: list[Entry] = []
        self._started: dict[str, performing.Step] = {}
        self._turns: list[Turn] = []
        self._unwritten = 0
        self._behind = False
        self._lone_steps = 0
        self._values: dict[int, tuple[object, str]] = {}
        for signal in signals:
            self.receive(signal)

    # What the flow asks for ------------------------------------------------------------------------------------

    def call_task(
        self, task: Task[..., T], scope: RunScope, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Coroutine[Any, Any, T]:
        self._check_caller(task.name)
        own = task.options.key
        known = None if not self._values or scope.body is not None else self._known()
        if own is None:
            text = task.arguments.text(args, kwargs, known)
            mark = digest(text)
            key, span = scope.step(f"{task.name}@{mark}", int(mark[:16], 16) ^ task.bits)
        else:
            name = own if isinstance(own, str) else own(*args, **kwargs)
            try:
                text = task.arguments.text(args, kwargs, known)
            except NotKeyable:  # which is what `key=` is for; the text is for people then
                text = f"key={name}"
            key, span = scope.step(f"{task.name}={quoted(name)}", salt_of(name, task.bits))
        return performing.step(self, task, scope, key, span, text, args, kwargs)

    def call_flow(
        self, flow: Flow[..., T], scope: RunScope, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Coroutine[Any, Any, T]:
        self._check_caller(flow.name)
        call = flow.bind(*args, **kwargs)
        text = call.params.decode()
        mark = digest(text)
        key, span = scope.step(f"{flow.name}@{mark}", salt_of(flow.name, 1) ^ int(mark[:16], 16))
        return childruns.step(self, call, scope, key, span, text)

    def sleep(self, scope: RunScope, delay: timedelta | None, until: datetime | None) -> Coroutine[Any, Any, None]:
        self._check_caller("sleep")
        if scope.body is not None:
            return waiting.plain_sleep(delay, until)
        text = (
            f"seconds={delay.total_seconds()!r}" if delay is not None else f"until={until.isoformat() if until else ''}"
        )
        mark = digest(text)
        key, span = scope.step(f"sleep@{mark}", salt_of(text, 2))
        return waiting.sleep(self, scope, key, span, text, delay, until)

    def wait_for(self, scope: RunScope, name: str, declared: Any, limit: timedelta | None) -> Coroutine[Any, Any, Any]:
        self._check_caller(f"wait_for({name!r})")
        if scope.body is not None:
            raise UsageError(
                f"wait_for({name!r}) was called inside a task; signals go to flows: wait there, and pass the payload"
            )
        mark = digest(name)
        key, span = scope.step(f"wait_for@{mark}", salt_of(name, 3))
        return waiting.signal(self, scope, key, span, name, declared, limit)

    def timeout(self, scope: RunScope, limit: timedelta) -> AbstractAsyncContextManager[None]:
        self._check_caller("timeout")
        if scope.body is not None:
            return waiting.PlainDeadline(limit)
        text = f"seconds={limit.total_seconds()!r}"
        key, span = scope.step(f"timeout@{digest(text)}", salt_of(text, 4))
        return waiting.Deadline(self, scope, key, span, text, limit)

    def now(self, scope: RunScope) -> datetime:
        self._check_caller("now")
        if scope.body is not None:
            return _moment(self.host.clock.now())
        key = scope.key("now@")
        line = self.replay.take(key) if self.replay else None
        if line is not None:
            return _moment(line.started)
        self.make_room()
        at = self.host.clock.now()
        self.add(
            Entry(
                self.num,
                self.next_seq(),
                self.group,
                kinds.NOW,
                key,
                "now",
                "",
                1,
                at,
                at,
                0,
                scope.span,
                kinds.OK,
                b"null",
                None,
                self.epoch,
            )
        )
        self._behind = True
        return _moment(at)

    def bits(self, scope: RunScope, purpose: str) -> int:
        self._check_caller(purpose)
        return salt_of(scope.key(f"{purpose}@"), self.record.span)

    # What current() tells --------------------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        return self.record.id

    @property
    def flow(self) -> str:
        return self.record.flow

    @property
    def tags(self) -> tuple[str, ...]:
        return self.record.tags

    @property
    def scheduled_for(self) -> datetime:
        return _moment(self.record.scheduled_for or self.record.created)

    @property
    def started(self) -> datetime:
        return _moment(self.record.started or self.record.created)

    @property
    def trace(self) -> tuple[str, bool]:
        return self.record.trace, self.record.sampled

    def idempotency_key(self, key: str) -> str:
        """32 hex digits, the same for every attempt of a step of this run."""
        return blake2b(f"{self.record.id}|{self.record.trace}|{key}".encode(), digest_size=16).hexdigest()

    def report(self, key: str, done: float, total: float | None, message: str) -> None:
        """A task tells how far it is. May be called from its thread."""
        self.host.progress(self.num, key, done, total, message)

    def progress_of(self, name: str, total: int | None) -> Callable[[object], None]:
        count = 0

        def finished(_: object) -> None:
            nonlocal count
            count += 1
            self.host.progress(self.num, f"map {name}", count, total, "")

        return finished

    # Recording -------------------------------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """True while something the flow has seen is not on disk yet."""
        return self._behind

    def next_seq(self) -> int:
        """The number of the line that is being made. Lines are added in the order in which they are made."""
        seq = self._seq
        self._seq = seq + 1
        return seq

    def make_room(self) -> None:
        """Raises HeadraceError when the journal has no room for another step; ask before the step has any effect.

        Ends of steps under way, cancellations and deadlines are recorded beyond the limit.
        """
        if self._seq >= MAX_LINES:
            raise HeadraceError(
                f"run {self.record.id} of {self.record.flow} has {MAX_LINES:,} journal lines, the limit; "
                f"let child runs do parts of the work: `await other_flow(...)`"
            )

    def add(self, line: Entry) -> None:
        """Record a line in the next commit."""
        if self.closing is not None and self.closing is not Closing.UNWINDING:
            return
        self._lines.append(line)
        self.host.commit.touch(self)

    async def settle(self, line: Entry, scope: RunScope, me: asyncio.Task[Any] | None) -> None:
        """Record what a step came to, and return when the flow may see it: on disk, at rest, in its group.

        `me` is the asyncio task that asks. Cancelling it does not take the line back: the flow then has not seen
        it, and will not on replay.
        """
        if self.closing is not None:
            raise asyncio.CancelledError(self.closing.value)
        commit = self.host.commit
        if scope.body is not None:
            if not self._lines and commit.free and commit.now(self, line):
                self.group += 1
                return
            self.add(line)
            await commit.flushed()
        elif self.settle_now(line, me):
            if self._lone_steps % BREATH == 0:
                await asyncio.sleep(0)
        else:
            turn: asyncio.Future[None] = self.loop.create_future()  # one each: cancelling a waiter cancels its future
            self._turns.append(turn)
            self.add(line)
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

    def note_started(self, one: performing.Step) -> None:
        """An attempt began. Written with the next commit, unless its result is there first."""
        self._started[one.key] = one
        self.host.commit.touch(self, 0)

    def started_over(self, key: str) -> None:
        """An attempt has ended: if nobody knows yet that it began, nobody needs to."""
        self._started.pop(key, None)

    def take_lines(self) -> tuple[list[Entry], Callable[[], None]]:
        """For the commit: the lines of the group that closes now, and what to call when they are on disk."""
        for one in self._started.values():
            self._lines.append(
                one.line(
                    kinds.STARTED, kinds.PENDING, b"null",
                    at=one.attempt_began, started=one.attempt_began, span=one.attempt_span, parent=one.above,
                )
            )  # fmt: skip
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
        if turns and self.closing is None:
            self.delivery.committed(lambda: _deliver(turns))

    def written(self, lines: list[Entry]) -> None:
        """These lines are on disk."""
        self.host.telemetry.recorded(self.identity, lines)
        if not self._lines and not self._unwritten:
            self._behind = False

    def fenced(self) -> None:
        """For the commit: another node owns this run."""
        self.close(Closing.FENCED, None)

    def unwritable(self, error: Exception) -> None:
        """For the commit: the store failed."""
        self.close(Closing.UNWRITABLE, error)

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

    # Replaying -------------------------------------------------------------------------------------------------

    async def recall(self, key: str, name: str, text: str, scope: RunScope) -> Entry | None:
        """`recorded`, then `admit`: for what ends the moment it is cancelled, live and on replay alike."""
        line = await self.recorded(key, scope)
        return line if line is not None else await self.admit(key, name, text, scope)

    def due(self, key: str, scope: RunScope, me: asyncio.Task[Any] | None) -> Entry | None:
        """The record of a step that may be seen at once, since the flow is one lone step; else None: use `recorded`."""
        replay = self.replay
        if replay is None or scope.body is not None:
            return None
        line = replay.record(key)
        if line is None or line.outcome == kinds.CANCELLED or line.seq % REPLAYED == 0:
            return None
        return replay.take(key) if self.delivery.due(key, me) else None

    async def recorded(self, key: str, scope: RunScope) -> Entry | None:
        """The record of a step, when the flow may see it; None when there is none.

        A step that was cancelled stays pending until its caller cancels it again, and ends in its turn.
        """
        replay = self.replay
        if replay is None:
            return None
        line = replay.take(key)
        if scope.body is not None:
            return line if line is not None and line.outcome != kinds.CANCELLED else None
        if line is None:
            return None
        if line.outcome == kinds.CANCELLED:
            try:
                await self._pending_for_ever(key)
            except asyncio.CancelledError:
                if self.closing is None:
                    await self._cancelled_again(key, line)
                raise
        try:
            await self._turn(line, scope)
        except asyncio.CancelledError:
            if line.kind == kinds.SIGNAL and line.attempt in self._received and replay.give_back(line):
                self.give_back(self._received[line.attempt])
            raise
        return line

    async def _turn(self, line: Entry, scope: RunScope) -> None:
        """Return when the flow may see a record."""
        key = line.key
        if key in self.delivery.late:
            await self.settle(self._moved(key, line), scope, asyncio.current_task())
            return
        turn = self.delivery.turn(key, asyncio.current_task())
        if turn is not None:
            try:
                await turn
            except asyncio.CancelledError:
                self.delivery.withdraw(key)
                raise
        elif line.seq % REPLAYED == 0:
            await asyncio.sleep(0)

    async def _cancelled_again(self, key: str, line: Entry) -> None:
        if key in self.delivery.late:
            await self.call_off(lambda: self._moved(key, line))
        elif (turn := self.delivery.turn(key, asyncio.current_task())) is not None:
            await self.outwait(turn)

    def _moved(self, key: str, line: Entry) -> Entry:
        self.delivery.late.discard(key)
        return line._replace(
            seq=self.next_seq(), group=self.group, kind=kinds.MOVED, value=b"null", blob=None, epoch=self.epoch
        )

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
        """Wait for a future however often the waiting is cancelled, unless the run is closed."""
        while not future.done() and self.closing is None:
            try:
                await asyncio.shield(future)
            except asyncio.CancelledError:
                continue

    async def admit(self, key: str, name: str, text: str, scope: RunScope) -> Entry | None:
        """Return None when a step without a record may begin as new work.

        Raises CancelledError after it has found that this run tells another story than its journal.
        """
        replay = self.replay
        if replay is None or scope.body is not None:
            return None
        if self.delivery.replaying:
            await self.delivery.newcomer(key)
        found = replay.diverges(key=key, name=name, args=text[:ARGS_SHOWN])
        if found is None:
            if self.host.effects_forbidden:
                self.host.frontier(self)
                await self._pending_for_ever(key)
            return None
        match self.of.options.on_divergence:
            case "rerun":
                return None
            case "reuse" if len(found.recorded) == 1:
                return replay.take(found.recorded[0].key)
            case _:  # several records could be meant, and none may be taken for another
                self.close(Closing.DIVERGED, found)
                raise asyncio.CancelledError("diverged")

    async def _pending_for_ever(self, key: str) -> None:
        """A step that was cancelled stays pending until its caller cancels it again."""
        future: asyncio.Future[None] = self.loop.create_future()
        self.waits[future] = None
        try:
            await future
        finally:
            self.waits.pop(future, None)

    def history(self, key: str) -> History | None:
        """Failed attempts, a started one, or the end of a wait, from before this process."""
        return self.replay.history.get(key) if self.replay else None

    # Values ----------------------------------------------------------------------------------------------------

    def remember(self, value: object, data: bytes) -> None:
        """A large result has a known text: the digest of its record. The oldest is forgotten first, on replay too.

        Only what the flow itself was given counts, in the order in which it was given: what a task's body sees is
        not seen again on replay.
        """
        if len(data) < LARGE or type(value) in (str, bytes, int, float):
            return
        self._values[id(value)] = (value, blake2b(data, digest_size=10).hexdigest())
        if len(self._values) > RECENT_VALUES:
            self._values.pop(next(iter(self._values)))

    def _known(self) -> dict[int, str]:
        return {address: mark for address, (_, mark) in self._values.items()}

    # Signals and cancellation ----------------------------------------------------------------------------------

    def receive(self, signal: Signal) -> None:
        """A signal has arrived, or was there when the run was loaded."""
        if signal.id <= self.seen_signal:
            return
        self.seen_signal = signal.id
        if self.replay is not None and signal.id in self.replay.taken_signals:
            self._received[signal.id] = signal
        elif not self._hand_on(signal):
            self.signals.setdefault(signal.name, deque()).append(signal)

    def give_back(self, signal: Signal) -> None:
        """Whoever received this signal was cancelled before the flow saw it: it is there for the next who waits."""
        if self.closing is None and not self._hand_on(signal):
            stock = [signal, *self.signals.get(signal.name, ())]
            self.signals[signal.name] = deque(sorted(stock, key=lambda one: one.id))

    def _hand_on(self, signal: Signal) -> bool:
        waiters = self.signal_waiters.get(signal.name)
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(signal)
                return True
        return False

    @property
    def recorded_cancel(self) -> Entry | None:
        """The cancellation that an earlier stay in memory has recorded."""
        return self.replay.record(waiting.CANCEL_KEY) if self.replay is not None else None

    def cancel(self, reason: str, name: str = "cancel") -> bool:
        """Cancel the flow: its root is thrown CancelledError when it is at rest. False: it was cancelled already."""
        if name == "cancel":
            self.called_off = reason
        if self.cancelling or self.closing is not None:
            return False
        self.cancelling = True
        self.cancel_reason = reason
        waiting.cancellation(self, reason, name)
        return True

    def close(self, why: Closing, cause: Exception | Divergence | None) -> None:
        """Take nothing new from now on and end what runs. The first reason counts."""
        if self.closing is not None:
            return
        self.closing = why
        self.cause = cause
        self.delivery.close()
        if self.root is not None and why is not Closing.ENDED:
            for task in [*self.delivery.tasks, self.root]:
                task.cancel(why.value)

    # What the task factory and parking ask ---------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self.closing is Closing.ENDED

    def branch_created(self, task: asyncio.Task[Any], *, step: bool) -> None:
        if step:
            self.delivery.unstarted += 1
        else:
            self.delivery.tasks.add(task)
            task.add_done_callback(self.delivery.tasks.discard)

    def _only_ours(self) -> bool:
        return self.performing == 0 and only_ours(self.delivery.tasks, self.waits, self.delivery)

    def can_park(self) -> bool:
        """True when nothing but the engine can move this run and nothing of it is under way.

        One that somebody has called off stays until it has ended: the request stands in its row, and would have it
        queued again at once.
        """
        return (
            self.closing is None
            and self.called_off is None
            and not self._lines
            and not self._started
            and not self._unwritten
            and not self.delivery.pending
            and bool(self.waits)
            # A step that is neither performed nor waits has just been let go, and is about to be performed.
            and self.delivery.asked + self.delivery.unstarted <= len(self.waits) - self.deadlines
            and self._only_ours()
        )

    def park(self) -> None:
        """Leave memory: everything of the flow is cancelled, and `execution` writes what it waits for."""
        self.parked_until = self.wake_at()
        self.parked_children = list(self.waiting_children)
        self.close(Closing.UNWINDING, None)

    def wake_at(self) -> int | None:
        """The earliest time that any wait of this run ends by itself."""
        deadline = None if self.cancelling else self.overdue_at  # felt once; it must not wake the clean-up
        times = [when for when in (*self.waits.values(), deadline) if when is not None]
        return min(times) if times else None

    def _check_caller(self, what: str) -> None:
        if threading.get_ident() != self._thread:
            raise OutsideRun(
                f"{what} was called from another thread than run {self.record.id} lives on; nothing could record it. "
                f"Call it from the flow, or from an async task"
            )
        if self.closing is Closing.ENDED:
            raise OutsideRun(
                f"{what} was called after run {self.record.id} of {self.record.flow} had ended; "
                f"await everything a flow starts"
            )
        if self.closing is not None:
            raise asyncio.CancelledError(self.closing.value)


def _deliver(turns: list[Turn]) -> None:
    for turn in turns:
        if callable(turn):
            turn()
        else:
            resolve(turn, None)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000 / 1e6, UTC)


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


def failed(error: BaseException) -> bytes:
    """The failure record of an exception, as JSON."""
    return encode(describe(error))


def root_scope(session: Session) -> RunScope:
    """The scope of the flow's own body."""
    return Scope(session, "", span=session.record.span, salt=session.record.span)


__all__ = ["CURRENT", "Closing", "Session", "failed", "identity_of", "root_scope"]
