"""The database: one file, a connection for the loop's thread, and helpers for what must not block it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from engine.model.errors import StoreError
from engine.stores.sqlite.checkpoint import Checkpointer
from engine.stores.sqlite.connect import LOOP_PATIENCE, THREAD_PATIENCE, Durability, connect, roll_back
from engine.stores.sqlite.errors import DRIVER_ERRORS, is_busy, store_error
from engine.stores.sqlite.migrate import migrate
from engine.stores.sqlite.writer import Job, Writer

T = TypeVar("T")

CHECKPOINT_PATIENCE = 0.2
"""Seconds a checkpoint waits for readers while it keeps writers out."""


class Database:
    """Opened by `open`; all methods are for the loop's thread."""

    def __init__(
        self,
        path: Path,
        durability: Durability,
        connection: sqlite3.Connection,
        writer: Writer,
        checkpointer: Checkpointer,
    ) -> None:
        self.path = path
        self.connection = connection
        self.writer = writer
        self.checkpointer = checkpointer
        self._durability = durability

    @classmethod
    async def open(cls, path: Path, durability: Durability) -> Database:
        """Create or migrate the file and connect. Raises StoreError."""
        loop = asyncio.get_running_loop()
        loops, writers, checkpoints = await asyncio.to_thread(_connect_all, path, durability)
        writer = Writer(writers, loop, lambda error: store_error(error, path))
        return cls(path, durability, loops, writer, Checkpointer(checkpoints, path))

    async def close(self) -> None:
        """Finish what the writer has, and close; the last process to do so removes the write-ahead log."""
        await self.writer.close()
        await asyncio.to_thread(self.checkpointer.close)
        await asyncio.to_thread(self.connection.close)

    @property
    def immediate(self) -> bool:
        """Whether the loop's thread writes by itself: not at `power`, nor while the writer works off a backlog."""
        return self._durability == "process" and not self.writer.pending

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work in a transaction of its own and answer its result once that is durable. Raises StoreError.

        `work` may be run more than once, each time after a rollback, and on another thread; it refuses with a
        HeadraceError only before it has written. Once cancelled it may or may not have happened.
        """
        if self.immediate:
            try:
                result = self._transact_here(work)
            except DRIVER_ERRORS as error:
                if not is_busy(error):
                    raise store_error(error, self.path) from error
            else:
                self.checkpointer.wrote(1)
                return result
        return await self._hand_over(work)

    async def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read. Readers are locked out only while somebody recovers the file. Raises StoreError."""
        try:
            return work(self.connection)
        except DRIVER_ERRORS as error:
            if not is_busy(error):
                raise store_error(error, self.path) from error
        return await self._hand_over(work)

    def _transact_here(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        finally:
            roll_back(connection)
        return result

    async def _hand_over(self, work: Callable[[sqlite3.Connection], T]) -> T:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if future.done():  # cancelled meanwhile
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        job = Job(work, done)
        self.writer.submit(job)
        await future
        self.checkpointer.wrote(1)
        return job.value


def _connect_all(
    path: Path, durability: Durability
) -> tuple[sqlite3.Connection, sqlite3.Connection, sqlite3.Connection]:
    connections: list[sqlite3.Connection] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connections.append(connect(path, durability, patience=THREAD_PATIENCE))
        migrate(connections[0], path)
        # A file without write permission opens well; only a write lock tells.
        connections[0].execute("BEGIN IMMEDIATE")
        connections[0].execute("ROLLBACK")
        connections.append(connect(path, durability, patience=CHECKPOINT_PATIENCE))
        connections.append(connect(path, durability, patience=LOOP_PATIENCE))
    except (*DRIVER_ERRORS, StoreError) as error:
        for connection in connections:
            connection.close()
        raise store_error(error, path) from error.__cause__ or error
    writers, checkpoints, loops = connections
    return loops, writers, checkpoints
