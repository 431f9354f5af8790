"""The writer: a task that writes batches one after the other on a connection it holds."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from engine.model.change import Batch, Ended, Released
from engine.model.errors import StoreError
from engine.ports.journal import Written
from engine.stores.postgres.bell import Bell
from engine.stores.postgres.changes import NOBODY, write_batch
from engine.stores.postgres.connect import Connection, begun
from engine.stores.postgres.database import Database, Patience, goodbye
from engine.stores.postgres.doubt import landed
from engine.stores.postgres.errors import (
    UNIQUE_VIOLATION,
    code_of,
    is_lost,
    is_refused_for_others,
    is_theirs,
    store_error,
)
from engine.stores.postgres.part import token


@dataclass(slots=True, eq=False)
class Job:
    """A batch, whom to tell, and the error of an earlier batch that it must not follow."""

    batch: Batch
    written: Written
    error: Exception | None = None


class Writer:
    """Lives on the loop's thread. Its task runs while there is something to write.

    A batch that need not wait for another is sent within `submit`: a chain pays for no turn of the loop before it.
    """

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._door = database.door
        self._bell = bell
        self._jobs: deque[Job] = deque()
        self._serving = False
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    def submit(self, batch: Batch, written: Written) -> None:
        """Hand a batch over. `written` is called on the loop, after those of all earlier batches."""
        self._jobs.append(Job(batch, written))
        if not self._serving:
            self._serving = True  # the first batch is on its way to the server before this returns
            self._task = begun(self._serve(), "postgres writer")

    async def close(self) -> None:
        """Write what was handed over, and disconnect."""
        if self._serving and self._task is not None:
            await asyncio.wait([self._task])
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await goodbye(connection)

    async def _serve(self) -> None:
        try:
            while self._jobs:
                job = self._jobs[0]
                error, fenced = job.error, NOBODY
                if error is None:
                    try:
                        fenced = await self._write(job.batch)
                    except Exception as failure:  # noqa: BLE001 - the port promises that errors go to `written`
                        error = self._failed(job, failure)
                self._jobs.popleft()
                job.written(fenced, error)
                if any(isinstance(change, (Ended, Released)) for change in job.batch.changes):
                    self._bell.ring()
        finally:
            self._serving = False

    def _failed(self, failed: Job, failure: Exception) -> Exception:
        """What is to be told. A journal must not have holes: what came for the same runs since fails as well."""
        error = store_error(failure, self._door.address)
        if not isinstance(error, StoreError):
            error = StoreError(f"a batch could not be written: {failure!r}")
            error.__cause__ = failure
        for job in self._jobs:
            if job is not failed and not failed.batch.epochs.keys().isdisjoint(job.batch.epochs):
                job.error = job.error or error
        return error

    async def _write(self, batch: Batch) -> frozenset[int]:
        """Write a batch exactly once, whatever becomes of connections meanwhile; answers the fenced runs."""
        mark = token() if batch.logs else 0
        patience = Patience(self._door.patience)
        doubt = False
        while True:
            last = patience.over
            sent = False
            try:
                connection = self._connection = await self._connected()
                if doubt and (fenced := await landed(connection, self._door, batch, mark)) is not None:
                    return fenced
                sent = True
                return await write_batch(connection, self._door, batch, mark)
            except Exception as error:
                if not is_theirs(error):
                    raise
                lost = is_lost(error)
                if lost and self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                # The lost attempt may have landed after all, just before this one: look again.
                late = doubt and code_of(error) == UNIQUE_VIOLATION
                if last or not (lost or late or is_refused_for_others(error)):
                    raise
                doubt = doubt or (lost and sent)
            await patience.pause()

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = await self._door.connect()
        return connection
