"""The writer: writes batches one after the other on a connection it holds."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from dataclasses import dataclass
from time import monotonic

from engine.model.change import Batch, Ended, Released
from engine.model.errors import StoreError
from engine.ports.journal import Written
from engine.stores.postgres.batches import NOBODY
from engine.stores.postgres.begun import Begun
from engine.stores.postgres.bell import Bell
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
from engine.stores.postgres.pen import Pen


@dataclass(slots=True, eq=False)
class Job:
    """A batch, whom to tell, and the error of an earlier batch that it must not follow."""

    batch: Batch
    written: Written
    error: Exception | None = None


class Writer:
    """Lives on the loop's thread.

    A batch that need not wait for another is sent within `submit`: a chain pays for no turn of the loop before it.
    """

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._door = database.door
        self._bell = bell
        self._jobs: deque[Job] = deque()
        self._serving = False
        self._work: Begun | None = None
        self._pen: Pen | None = None
        self._since = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._rest: asyncio.Future[None] | None = None

    def submit(self, batch: Batch, written: Written) -> None:
        """Hand a batch over. `written` is called on the loop, after those of all earlier batches."""
        self._jobs.append(Job(batch, written))
        if not self._serving:
            self._serving = True
            if self._watch is None:
                self._look_in(self._door.patience)
            self._work = Begun(self._serve(), "postgres writer")

    async def close(self) -> None:
        """Write what was handed over, and disconnect."""
        if self._serving:
            self._rest = asyncio.get_running_loop().create_future()
            await self._rest
        if self._watch is not None:
            self._watch.cancel()
        if self._pen is not None:
            pen, self._pen = self._pen, None
            await goodbye(pen.connection)

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
            if self._rest is not None and not self._rest.done():  # whoever closes may have been cancelled
                self._rest.set_result(None)

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
        patience: Patience | None = None
        doubt = False
        while True:
            last = patience is not None and patience.over
            sent = False
            self._since = monotonic()
            try:
                pen = self._pen
                if pen is None or pen.connection.is_closed():
                    pen = self._pen = Pen(await self._door.connect(timed=False), self._door)
                if doubt and (fenced := await landed(pen.connection, self._door, batch, mark)) is not None:
                    return fenced
                sent = True
                fenced = await pen.write(batch, mark)
                if not (doubt and fenced):
                    return fenced
                # The lost attempt may have come just before this one, and have moved the runs that this one could not.
                there = await landed(pen.connection, self._door, batch, mark)
                return fenced if there is None else there
            except Exception as error:
                if not is_theirs(error):
                    raise
                lost = is_lost(error)
                if lost and self._pen is not None:
                    self._pen.connection.terminate()
                    self._pen = None
                # The lost attempt may have landed after all, just before this one: look again.
                late = doubt and code_of(error) == UNIQUE_VIOLATION
                if last or not (lost or late or is_refused_for_others(error)):
                    raise
                doubt = doubt or (lost and sent)
            patience = patience or Patience(self._door.patience)
            await patience.pause()

    def _look_in(self, seconds: float) -> None:
        self._watch = asyncio.get_running_loop().call_later(seconds, self._look, context=Context())

    def _look(self) -> None:
        """Cut the connection when the server has not answered for too long. One timer serves all writes."""
        self._watch = None
        if not self._serving:
            return
        left = self._since + self._door.patience - monotonic()
        if left <= 0 and self._pen is not None:
            self._pen.connection.terminate()
        self._look_in(left if left > 0 else self._door.patience)
