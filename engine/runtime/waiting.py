"""Waiting that is a row: sleeps, signals, deadlines, and the cancellation of a run."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from engine.context import CURRENT, RunScope
from engine.core.codec import Codec
from engine.core.failure import decode, describe, encode, rebuild
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import NotStorable, ParameterError
from engine.model.run import Signal
from engine.runtime.futures import waker
from engine.runtime.scoping import STEP_CODES

if TYPE_CHECKING:
    from engine.runtime.session import Session

CANCEL_KEY = "!cancel#0"


async def sleep(
    session: Session, scope: RunScope, key: str, span: int, text: str, delay: timedelta | None, until: datetime | None
) -> None:
    """A durable sleep: its end is recorded when it begins, its being over when it is."""
    with _Asking(session):
        if await session.recall(key, "sleep", text, scope) is not None:
            return
        began, when = _window(session, key, "sleep", text, span, scope, delay, until)
        if when > session.host.clock.now():
            await _timer(session, when)
        at = session.host.clock.now()
        await session.settle(
            _line(session, kinds.SLEEP, key, "sleep", text, began, at, span, scope.span, kinds.OK, b"null"),
            scope,
            asyncio.current_task(),
        )


async def signal(
    session: Session, scope: RunScope, key: str, span: int, name: str, declared: Any, limit: timedelta | None
) -> Any:
    """Wait for a signal. Raises TimeoutError; ParameterError when the payload does not fit the declared type."""
    text = f"signal={json.dumps(name)}"
    codec = Codec(declared, f"signal {name!r}")
    with _Asking(session):
        line = await session.recall(key, "wait_for", text, scope)
        if line is None:
            began, when = _window(session, key, "wait_for", text, span, scope, limit, None)
            got = await _receive(session, name, when if limit is not None else None)
            at = session.host.clock.now()
            if got is None:
                error = TimeoutError(f"no signal {name!r} within {limit}")
                line = _line(
                    session,
                    kinds.SIGNAL,
                    key,
                    "wait_for",
                    text,
                    began,
                    at,
                    span,
                    scope.span,
                    kinds.ERROR,
                    encode(describe(error)),
                )
                line = line._replace(attempt=0)
            else:
                line = _line(
                    session, kinds.SIGNAL, key, "wait_for", text, began, at, span, scope.span, kinds.OK, got.payload
                )
                line = line._replace(attempt=got.id)
            try:
                await session.settle(line, scope, asyncio.current_task())
            except asyncio.CancelledError:
                if got is not None and session.closing is None:
                    session.inbox.give_back(got)
                raise
        if line.outcome == kinds.ERROR:
            raise rebuild(decode(line.value))
        try:
            return codec.decode(line.value)
        except NotStorable as error:
            raise ParameterError(
                f"run {session.record.id}: the payload of signal {name!r} does not fit: {error}"
            ) from error


async def _receive(session: Session, name: str, until: int | None) -> Signal | None:
    """The oldest signal of a name that nobody has received, or None when the time is over."""
    here = session.inbox.take(name)
    if here is not None:
        return here
    future: asyncio.Future[Signal] = session.loop.create_future()
    session.inbox.wait(name, future)
    session.waits[future] = until
    timer = None if until is None else session.host.clock.call_at(until, partial(_give_up, future))
    session.host.may_park(session)
    me = asyncio.current_task()
    before = me.cancelling() if me is not None else 0
    try:
        return await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled() and session.closing is None:
            session.inbox.give_back(future.result())
        if until is None or (me is not None and me.cancelling() > before) or session.host.clock.now() < until:
            raise
        return None
    finally:
        session.waits.pop(future, None)
        if timer is not None:
            timer.cancel()
        session.inbox.forget(name, future)


def _give_up(future: asyncio.Future[Signal]) -> None:
    future.cancel("timeout")


async def _timer(session: Session, when: int) -> None:
    future: asyncio.Future[None] = session.loop.create_future()
    timer = session.host.clock.call_at(when, waker(future))
    session.waits[future] = when
    session.host.may_park(session)
    try:
        await future
    finally:
        timer.cancel()
        session.waits.pop(future, None)


def _window(
    session: Session,
    key: str,
    name: str,
    text: str,
    span: int,
    scope: RunScope,
    delay: timedelta | None,
    until: datetime | None,
) -> tuple[int, int]:
    """When a wait began and when it ends: from the journal when it began before this process, else recorded now."""
    history = session.history(key)
    if history is not None and history.wait is not None:
        return history.wait.started, int(json.loads(history.wait.value) or 0)
    session.make_room()
    began = session.host.clock.now()
    if until is not None:
        when = int(until.timestamp() * 1_000_000) * 1000
    elif delay is not None:
        when = began + int(delay / timedelta(microseconds=1)) * 1000
    else:
        when = 0
    session.add(
        _line(session, kinds.WAIT, key, name, text, began, began, span, scope.span, kinds.PENDING, str(when).encode())
    )
    return began, when


def _line(
    session: Session,
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
) -> Entry:
    return Entry(
        session.num,
        session.next_seq(),
        session.group,
        kind,
        key,
        name,
        text[:160],
        1,
        began,
        at,
        span,
        parent,
        outcome,
        value,
        None,
        session.epoch,
    )


class _Asking:
    """Counts a step while it is being asked for; see Delivery.lone."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        delivery = self._session.delivery
        delivery.asked += 1
        if asyncio.current_task() not in delivery.tasks:
            delivery.unstarted = max(0, delivery.unstarted - 1)
        if self._session.closing is not None:
            delivery.asked -= 1
            raise asyncio.CancelledError(self._session.closing.value)

    def __exit__(self, *_: object) -> None:
        self._session.delivery.asked -= 1


STEP_CODES.update({sleep.__code__, signal.__code__})


async def plain_sleep(delay: timedelta | None, until: datetime | None) -> None:
    """A sleep inside a task: the task is what is recorded, so this one is not. By the engine's clock all the same."""
    session = _session_here()
    if until is not None:
        when = int(until.timestamp() * 1_000_000) * 1000
    else:
        when = session.host.clock.now() + int((delay or timedelta(0)) / timedelta(microseconds=1)) * 1000
    await _timer(session, when)


class PlainDeadline(AbstractAsyncContextManager[None]):
    """A deadline inside a task."""

    def __init__(self, limit: timedelta) -> None:
        self._clock = _session_here().host.clock
        self._limit = limit
        self._timeout = asyncio.timeout(None)
        self._timer: Any = None

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        when = self._clock.now() + int(self._limit / timedelta(microseconds=1)) * 1000
        self._timer = self._clock.call_at(when, lambda: self._timeout.reschedule(0))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, stack)


def _session_here() -> Session:
    scope = CURRENT.get()
    assert scope is not None
    return cast("Session", scope.session)


class Deadline(AbstractAsyncContextManager[None]):
    """A recorded deadline around a block of a flow."""

    def __init__(self, session: Session, scope: RunScope, key: str, span: int, text: str, limit: timedelta) -> None:
        self._session = session
        self._scope = scope
        self._key = key
        self._span = span
        self._text = text
        self._limit = limit
        self._timeout = asyncio.timeout(None)
        self._wait: asyncio.Future[None] | None = None
        self._timer: Any = None
        self._began = 0
        self._over = False

    async def __aenter__(self) -> None:
        session = self._session
        await self._timeout.__aenter__()
        recorded = session.replay.take(self._key) if session.replay is not None else None
        if recorded is not None:
            session.delivery.expect(self._key, self._expire)
            return
        self._began, when = _window(
            session, self._key, "timeout", self._text, self._span, self._scope, self._limit, None
        )
        self._wait = session.loop.create_future()
        session.waits[self._wait] = when
        session.deadlines += 1
        if session.delivery.replaying:
            session.delivery.on_open.append(lambda: self._arm(when))
        else:
            self._arm(when)

    def _arm(self, when: int) -> None:
        if not self._over:
            self._timer = self._session.host.clock.call_at(when, self._fire)

    def _fire(self) -> None:
        session = self._session
        if self._over or session.closing is not None:
            return
        at = session.host.clock.now()
        line = partial(
            _line,
            session,
            kinds.DEADLINE,
            self._key,
            "timeout",
            self._text,
            self._began,
            at,
            self._span,
            self._scope.span,
            kinds.OK,
            b"null",
        )
        session.settle_alone(line, self._expire)

    def _expire(self) -> None:
        if not self._over:
            self._timeout.reschedule(0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._over = True
        self._session.delivery.forget(self._key)
        if self._wait is not None:
            self._session.waits.pop(self._wait, None)
            self._session.deadlines -= 1
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, stack)


def cancellation(session: Session, reason: str, name: str) -> None:
    """Throw CancelledError into the flow's root, at the same place in the story on every replay.

    `name` says what it was: "cancel" or "timeout".
    """

    def react() -> None:
        if session.root is not None:
            session.root.cancel(reason)

    if session.replay is not None and session.replay.take(CANCEL_KEY) is not None:
        session.delivery.expect(CANCEL_KEY, react)
        return

    def record() -> None:
        at = session.host.clock.now()
        value = json.dumps(reason).encode()
        parent = session.record.span
        line = partial(_line, session, kinds.CANCEL, CANCEL_KEY, name, "", at, at, 0, parent, kinds.OK, value)
        session.settle_alone(line, react)

    if session.delivery.replaying:
        session.delivery.on_open.append(record)
    else:
        record()
