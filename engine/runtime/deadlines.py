"""Deadlines around a block of a flow, and the cancellation of a whole run: events that nobody awaits."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final

from engine.context import RunScope
from engine.model import entry as kinds
from engine.runtime.recalling import Recalling
from engine.runtime.waiting import session_here, window

CANCEL_KEY: Final = "!cancel#0"


class PlainDeadline(AbstractAsyncContextManager[None]):
    """A deadline inside a task."""

    def __init__(self, limit: timedelta) -> None:
        self._clock = session_here().host.clock
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


class Deadline(AbstractAsyncContextManager[None]):
    """A recorded deadline around a block of a flow."""

    def __init__(self, session: Recalling, scope: RunScope, key: str, span: int, text: str, limit: timedelta) -> None:
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
        self._began, when, self._span = window(
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
            session.line,
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


def cancellation(session: Recalling, reason: str, name: str) -> None:
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
        line = partial(session.line, kinds.CANCEL, CANCEL_KEY, name, "", at, at, 0, parent, kinds.OK, value)
        session.settle_alone(line, react)

    if session.delivery.replaying:
        session.delivery.on_open.append(record)
    else:
        record()
