"""The straight line: the least a durable, traced task can be, so that the engine can be held against it.

A coroutine, a frame in a context variable, one row in SQLite (WAL, committed before the caller goes on), one span.
No identity by content, no fence, no groups that replay in their order, no retries, no cancellation, no type of a
result: whatever the engine costs beyond this line buys one of those.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from pathlib import Path
from random import getrandbits
from typing import Any, ParamSpec, TypeAlias, TypeVar

from pydantic_core import from_json, to_json

from bench.floor_spans import Spans

P = ParamSpec("P")
R = TypeVar("R")

GROUP = 512
"""Rows in a commit."""

BREATH = 64
"""Commits of a lone chain before the loop turns."""

LedgerRow: TypeAlias = tuple[int, str, str, int, int, int, bytes]

INSERT = "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)"


class Already:
    """Awaited without a turn of the loop."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


ALREADY = Already()


def open_ledger(path: Path) -> sqlite3.Connection:
    """An append-only table without an index, as fast as SQLite takes rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE ledger"
        " (number INTEGER, key TEXT, name TEXT, start INTEGER, end INTEGER, span INTEGER, value BLOB)"
    )
    return connection


class Ledger:
    """Commits at the end of a pass of the loop; a lone chain at once."""

    def __init__(self, path: Path) -> None:
        self._connection = open_ledger(path)
        self._loop = asyncio.get_running_loop()
        self._rows: list[LedgerRow] = []
        self._committed: asyncio.Future[None] | None = None
        self._last: object = None
        self._alone = 0

    def append(self, row: LedgerRow) -> Awaitable[None]:
        """What it returns is done when the row is on disk."""
        task = asyncio.current_task(self._loop)
        if self._committed is None:
            if task is self._last and self._alone < BREATH:
                self._alone += 1
                self._connection.execute(INSERT, row)
                return ALREADY
            self._alone = 0
            self._committed = self._loop.create_future()
            self._loop.call_soon(self.commit)
        self._last = task
        self._rows.append(row)
        committed = self._committed
        if len(self._rows) >= GROUP:
            self.commit()
        return committed

    def commit(self) -> None:
        """Everything appended so far, in one transaction."""
        rows, committed = self._rows, self._committed
        if committed is None:
            return
        self._rows, self._committed = [], None
        write_group(self._connection, rows)
        committed.set_result(None)

    def known(self) -> dict[str, bytes]:
        """What an earlier process recorded."""
        return dict(self._connection.execute("SELECT key, value FROM ledger"))

    def close(self) -> int:
        """Close, and answer how many rows there are."""
        count: int = self._connection.execute("SELECT count(DISTINCT key) FROM ledger").fetchone()[0]
        self._connection.close()
        return count


def write_group(connection: sqlite3.Connection, rows: list[LedgerRow]) -> None:
    """One transaction; a single row is one by itself."""
    if len(rows) == 1:
        connection.execute(INSERT, rows[0])
        return
    connection.execute("BEGIN")
    connection.executemany(INSERT, rows)
    connection.execute("COMMIT")


class Run:
    """What all tasks of a run share."""

    __slots__ = ("known", "ledger", "number", "spans", "trace")

    def __init__(self, ledger: Ledger, spans: Spans) -> None:
        self.ledger = ledger
        self.spans = spans
        self.known = ledger.known()
        self.trace = getrandbits(128).to_bytes(16, "big")
        self.number = 0


class Frame:
    """What one task is to those it calls."""

    __slots__ = ("calls", "path", "run", "span")

    def __init__(self, run: Run, path: str, span: int) -> None:
        self.run = run
        self.path = path
        self.span = span
        self.calls = 0


FRAME: ContextVar[Frame] = ContextVar("floor_frame")


def task(fn: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make a coroutine function durable and traced. The key is given when it is called."""
    name = fn.__name__

    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        frame = FRAME.get()
        number = frame.calls
        frame.calls = number + 1
        return perform(frame, f"{frame.path}.{number}", *args, **kwargs)

    async def perform(parent: Frame, key: str, *args: P.args, **kwargs: P.kwargs) -> R:
        run = parent.run
        if key in run.known:
            recorded: R = from_json(run.known[key])
            return recorded
        span = getrandbits(63)
        token = FRAME.set(Frame(run, key, span))
        start = time.time_ns()
        try:
            value = await fn(*args, **kwargs)
        finally:
            FRAME.reset(token)
        end = time.time_ns()
        number = run.number
        run.number = number + 1
        await run.ledger.append((number, key, name, start, end, span, to_json(value)))
        run.spans.buffer.append((run.trace, span, parent.span, name, start, end, key, number))
        return value

    return call


async def run(flow: Coroutine[Any, Any, R], ledger: Ledger, spans: Spans) -> R:
    """Await a flow inside a run."""
    FRAME.set(Frame(Run(ledger, spans), "0", getrandbits(63)))
    value = await flow
    ledger.commit()
    return value
