"""The run log: what code logs while it belongs to a run is kept with the run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, cast

from engine.context import CURRENT
from engine.model.run import LogLine
from engine.ports.telemetry import RunIdentity
from engine.runtime.session import Session

LINE_LIMIT: Final = 16_384
"""Characters of one line that are kept."""

WAITING_LIMIT: Final = 10_000
"""Lines of other threads that may wait for the loop; more are dropped and counted. See commit for what waits there."""


class RunLog(logging.Handler):
    """A handler on the root logger. Safe on any thread; never raises, never blocks."""

    def __init__(
        self,
        host: object,
        loop: asyncio.AbstractEventLoop,
        keep: Callable[[LogLine, int], bool],
        report: Callable[[RunIdentity, LogLine], None],
    ) -> None:
        super().__init__(logging.INFO)
        self._host = host
        self._loop = loop
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._keep = keep
        self._report = report
        self._waiting = 0
        self._unsaid = 0
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
        if threading.get_ident() == self._thread:
            self._store(session.identity, line, session.epoch)
        else:
            self._carry(session.identity, line, session.epoch)

    def _carry(self, identity: RunIdentity, line: LogLine, epoch: int) -> None:
        """From another thread to the loop's."""
        with self._lock:
            full = self._waiting >= WAITING_LIMIT
            if full:
                self._drop()
            else:
                self._waiting += 1
        if not full:
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody is left to keep it
                self._loop.call_soon_threadsafe(self._arrived, identity, line, epoch)

    def _arrived(self, identity: RunIdentity, line: LogLine, epoch: int) -> None:
        with self._lock:
            self._waiting -= 1
        self._store(identity, line, epoch)

    def _store(self, identity: RunIdentity, line: LogLine, epoch: int) -> None:
        if not self._keep(line, epoch):
            with self._lock:
                self._drop()
            return
        self._report(identity, line)
        if self._unsaid:
            with self._lock:
                gone, self._unsaid = self._unsaid, 0
            told = f"{gone:,} log lines were dropped before this one: they came faster than the store writes"
            self._keep(replace(line, level="WARNING", logger="headrace.log", message=told), epoch)

    def _drop(self) -> None:
        self.dropped += 1
        self._unsaid += 1

    def _text(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        return text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + "…"
