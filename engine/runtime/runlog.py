"""The run log: what code logs while it belongs to a run is kept with the run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from engine.context import CURRENT
from engine.model.run import LogLine
from engine.ports.telemetry import RunIdentity

if TYPE_CHECKING:
    from engine.runtime.session import Session

LINE_LIMIT: Final = 16_384
"""Characters of one line that are kept."""

WAITING_LIMIT: Final = 10_000
"""Lines that may wait for the next commit; more are dropped and counted."""


class RunLog(logging.Handler):
    """A handler on the root logger. Safe on any thread; never raises, never blocks."""

    def __init__(
        self,
        host: object,
        loop: asyncio.AbstractEventLoop,
        keep: Callable[[list[LogLine]], None],
        report: Callable[[RunIdentity, LogLine], None],
    ) -> None:
        super().__init__(logging.INFO)
        self._host = host
        self._loop = loop
        self._thread = threading.get_ident()
        self._keep = keep
        self._report = report
        self._waiting = 0
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record when it comes from inside a run."""
        scope = CURRENT.get()
        if scope is None:
            return
        session = cast("Session", scope.session)
        if session.host is not self._host:
            return  # another engine of this program keeps it
        try:
            message = self._text(record)
        except Exception:  # noqa: BLE001 - logging's own convention: a bad format string is reported, not raised
            self.handleError(record)
            return
        line = LogLine(
            run=session.num,
            at=int(record.created * 1_000_000) * 1000,
            level=record.levelname,
            logger=record.name,
            message=message,
            task=getattr(scope.body, "name", ""),
            attempt=getattr(scope.body, "attempt", 1),
            span=scope.span,
        )
        self.take(session.identity, line)

    def take(self, identity: RunIdentity, line: LogLine) -> None:
        """Keep a line."""
        if self._waiting >= WAITING_LIMIT:
            self.dropped += 1
            return
        self._waiting += 1
        if threading.get_ident() == self._thread:
            self._store(identity, line)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._store, identity, line)

    def _store(self, identity: RunIdentity, line: LogLine) -> None:
        self._waiting -= 1
        self._keep([line])
        self._report(identity, line)

    def _text(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + "…"
