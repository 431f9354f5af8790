"""The database: connections at rest, transactions, and patience with a server that is away for a moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.errors import is_lost, is_refused_for_others, is_theirs, store_error

T = TypeVar("T")

CONNECTIONS = 8
"""For everything but journal, lease and news: enough that the server can flush several commits at once."""

FEW = 3
"""Connections that are opened without hesitation: a node that takes a run up asks for three things at once.

Opening one costs server and client some 10 ms, its first statements as much again: what a node takes over from another,
ten runs at once perhaps, is read sooner on a few warm ones.
"""

HESITATES = 0.1
"""Seconds for which a statement waits for somebody else's connection before one more is opened."""

WORTH = 0.5
"""Seconds that statements have waited in all since a connection was opened, after which one more is opened at once."""

PAUSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
"""Seconds between attempts, the last one repeated: a restarted server is found again soon."""


class Database:
    """Opened by `open_database`; all methods are for the loop's thread."""

    def __init__(self, door: Door, first: Connection | None = None) -> None:
        self.door = door
        self.address = door.address
        self._idle: list[Connection] = [] if first is None else [first]
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._busy = 0
        self._waited = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def sql(self, text: str) -> str:
        """A statement for this store's schema."""
        return self.address.sql(text)

    async def query(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do work that is a single statement; it commits by itself. See `transact`."""
        if self.door.pooled:  # nothing outside a transaction is sure to reach the same server process
            return await self.transact(lambda connection, _: work(connection))
        return await self.converse(lambda connection, _: work(connection))

    async def converse(self, work: Callable[[Connection, bool], Awaitable[T]]) -> T:
        """Do work that consists of transactions of its own, such as a `message`; see `transact` for how often."""
        return await self._patiently(work)

    async def transact(self, work: Callable[[Connection, bool], Awaitable[T]]) -> T:
        """Do work in a transaction and answer its result once that is durable. Raises StoreError.

        `work` is told whether an earlier attempt may have been committed after all: its connection was lost, and
        work must then find out, or be such that twice is once. Once cancelled it may or may not have happened.
        """

        async def inside(connection: Connection, again: bool) -> T:
            async with transaction(connection, self.door):
                return await work(connection, again)

        return await self._patiently(inside)

    async def _patiently(self, work: Callable[[Connection, bool], Awaitable[T]]) -> T:
        again = False
        patience = Patience(self.door.patience)
        while True:
            last = patience.over or self._closed
            sent = False
            try:
                async with self._connection() as connection:
                    sent = True
                    return await work(connection, again)
            except Exception as error:
                if not is_theirs(error):
                    raise
                if last or not (is_lost(error) or is_refused_for_others(error)):
                    raise store_error(error, self.address) from error
                again = again or (sent and is_lost(error))
            await patience.pause()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        async with self._room:
            there = self._take() or await self._returned()
            self._busy += 1
            try:
                connection = there or await self.door.connect()
                try:
                    yield connection
                except BaseException as error:
                    # A refusal leaves the connection as it was; a loss or a cancellation may have left it anywhere.
                    if isinstance(error, Exception) and not is_lost(error):
                        self._keep(connection)
                    else:
                        connection.terminate()
                    raise
                self._keep(connection)
            finally:
                self._busy -= 1
                self._call_next()

    async def _returned(self) -> Connection | None:
        """One that somebody gives back soon; None when another one should be opened."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        connection: Connection | None = None
        while connection is None and self._busy >= FEW and self._waited < WORTH and loop.time() < began + HESITATES:
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiting.append(waiter)
            timer = loop.call_at(began + HESITATES, _wake, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
            connection = self._take()
        self._waited = 0.0 if connection is None else self._waited + loop.time() - began
        return connection

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if self._closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(connection)

    def _call_next(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def close(self) -> None:
        """Say goodbye to the server."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await goodbye(connection)
        await self.door.settled()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Patience:
    """Ever longer pauses between attempts, until a time is over."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds
        self._number = 0

    @property
    def over(self) -> bool:
        """Whether the next attempt is the last."""
        return monotonic() >= self._end

    async def pause(self) -> None:
        """Wait a little before the next attempt."""
        await asyncio.sleep(PAUSES[min(self._number, len(PAUSES) - 1)])
        self._number += 1


@asynccontextmanager
async def transaction(connection: Connection, door: Door) -> AsyncGenerator[None]:
    """A transaction on this connection: committed at the end, rolled back on an error."""
    async with unfinished(connection, door):
        yield
    await connection.execute("COMMIT")


@asynccontextmanager
async def unfinished(connection: Connection, door: Door) -> AsyncGenerator[None]:
    """A transaction on this connection that is committed by what is done in it, and rolled back on an error."""
    await connection.execute(door.begin)
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) and not is_lost(error) and not connection.is_closed():
            await connection.execute("ROLLBACK")
        else:
            connection.terminate()
        raise


async def goodbye(connection: Connection) -> None:
    """Close a connection in good order if that is quick, else cut it."""
    try:
        await connection.close(timeout=1.0)
    except Exception as error:
        connection.terminate()
        if not is_theirs(error):
            raise
