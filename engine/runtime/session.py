"""A run in memory: what the code of a flow talks to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from threading import get_ident
from typing import Any, Final, TypeVar

from engine.context import RunScope
from engine.core.canonical import digest
from engine.core.scopes import Scope, quoted, salt_of
from engine.flow import Flow
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import NotKeyable, OutsideRun, UsageError
from engine.model.run import RunRecord, Signal
from engine.runtime import childruns, deadlines, performing, waiting
from engine.runtime.host import Host
from engine.runtime.recalling import Recalling
from engine.runtime.recording import Closing
from engine.runtime.scoping import Tasks
from engine.task import Task

T = TypeVar("T")


class Session(Recalling):
    """One run of one flow, in this process. Lives on the loop's thread; made, run and dropped by `execution`."""

    def __init__(
        self, host: Host, record: RunRecord, flow: Flow[..., Any], journal: Sequence[Entry], signals: Sequence[Signal]
    ) -> None:
        super().__init__(host, record, flow, journal)
        self.branched = False
        self.ended = False
        self.tasks: Final = Tasks()
        self.cancelling = False
        self.cancel_reason: str | None = None
        self.called_off = record.cancel
        self.overdue: Exception | None = None
        self.overdue_at: int | None = None
        self.park_check: asyncio.TimerHandle | None = None
        self.parked_until: int | None = None
        self.parked_seen = 0
        self.parked_children: list[int] = []
        self._thread = get_ident()
        for signal in signals:
            self.inbox.put(signal)

    # What the flow asks for ------------------------------------------------------------------------------------

    def call_task(
        self, task: Task[..., T], scope: RunScope, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Coroutine[Any, Any, T]:
        if self.closing is not None or get_ident() != self._thread:
            self._check_caller(task.name)
        own = task.options.key
        known = self.remembered.digests if scope.body is None else None
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
            return deadlines.PlainDeadline(limit)
        text = f"seconds={limit.total_seconds()!r}"
        key, span = scope.step(f"timeout@{digest(text)}", salt_of(text, 4))
        return deadlines.Deadline(self, scope, key, span, text, limit)

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
        self.add(self.line(kinds.NOW, key, "now", "", at, at, 0, scope.span, kinds.OK, b"null"))
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

    # Cancellation and leaving memory ----------------------------------------------------------------------------

    @property
    def recorded_cancel(self) -> Entry | None:
        """The cancellation that an earlier stay in memory has recorded."""
        return self.replay.record(deadlines.CANCEL_KEY) if self.replay is not None else None

    def cancel(self, reason: str, name: str = "cancel") -> bool:
        """Cancel the flow: its root is thrown CancelledError when it is at rest. False: it was cancelled already."""
        if name == "cancel":
            self.called_off = reason
        if self.cancelling or self.closing is not None:
            return False
        self.cancelling = True
        self.cancel_reason = reason
        deadlines.cancellation(self, reason, name)
        return True

    def end(self) -> None:
        super().end()
        self.ended = True

    def branch_created(self, task: asyncio.Task[Any]) -> None:
        self.delivery.tasks.add(task)
        task.add_done_callback(self.delivery.tasks.discard)

    def never_asked(self, _: object) -> None:
        """A step was cancelled before it began, and has ended."""
        self.delivery.unstarted -= 1

    def can_park(self) -> bool:
        """True when nothing but the engine can move this run and nothing of it is under way.

        One that somebody has called off stays until it has ended: the request stands in its row, and would have it
        queued again at once.
        """
        return (
            self.closing is None
            and self.called_off is None
            and self.all_written
            and not self.delivery.pending
            and bool(self.waits)
            # A step that is neither performed nor waits has just been let go, and is about to be performed.
            and self.delivery.asked + self.delivery.unstarted <= len(self.waits) - self.deadlines
            and self._only_ours()
        )

    def park(self) -> None:
        """Leave memory: everything of the flow is cancelled, and `execution` writes what it waits for."""
        self.parked_until = self.wake_at()
        self.parked_seen = self.inbox.seen  # what comes from here on finds nobody, and is to wake the run
        self.parked_children = list(self.waiting_children)
        self.close(Closing.UNWINDING, None)

    def wake_at(self) -> int | None:
        """The earliest time that any wait of this run ends by itself."""
        deadline = None if self.cancelling else self.overdue_at  # felt once; it must not wake the clean-up
        times = [when for when in (*self.waits.values(), deadline) if when is not None]
        return min(times) if times else None

    def _check_caller(self, what: str) -> None:
        if get_ident() != self._thread:
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


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000 / 1e6, UTC)


def root_scope(session: Session) -> RunScope:
    """The scope of the flow's own body."""
    return Scope(session, "", span=session.record.span, salt=session.record.span)


__all__ = ["Session", "root_scope"]
