"""The writer: a thread that writes what the loop's thread must not wait for, in order, in groups."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from engine.model.errors import HeadraceError
from engine.stores.sqlite.connect import roll_back

T = TypeVar("T")

GROUP = 512
"""Jobs in one transaction: enough to make the commit cheap, few enough to let other processes in."""


class Job(Generic[T]):
    """Something to do inside a transaction, and whom to tell on the loop.

    `work` may be run again after a rollback. It raises a HeadraceError only before it has written anything.
    `runs` are those whose journal it continues: when one job for a run fails, so do the later ones that were
    handed over before the failure was reported, for a journal must not have holes.
    """

    __slots__ = ("done", "error", "failure", "heard", "runs", "value", "work")

    def __init__(
        self,
        work: Callable[[sqlite3.Connection], T],
        done: Callable[[Exception | None], None],
        runs: Collection[int] = (),
    ) -> None:
        self.work = work
        self.done = done
        self.runs = runs
        self.value: T  # there once `work` has been done
        self.error: Exception | None = None
        self.failure = 0  # which failure of the writer this job's is, counted from 1
        self.heard = 0  # how many failures had been reported when it was handed over

    def attempt(self, connection: sqlite3.Connection) -> None:
        """Do it inside a transaction; what it refuses by a HeadraceError is kept for the report."""
        self.error = None
        try:
            self.value = self.work(connection)
        except HeadraceError as refusal:
            self.error = refusal

    def report(self) -> None:
        """Tell whoever waits for it."""
        self.done(self.error)


class Writer:
    """Owns one connection and, from the first job on, one thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        translate: Callable[[Exception], Exception],
    ) -> None:
        self.pending = 0  # jobs handed over and not yet reported; read and written on the loop's thread only
        self._connection = connection
        self._loop = loop
        self._translate = translate
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._heard = 0
        self._broken: dict[int, tuple[int, Exception]] = {}

    def submit(self, job: Job[Any]) -> None:
        """Hand a job over. Its `done` is called on the loop, after those of all earlier jobs."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="headrace-sqlite-writer", daemon=True)
            self._thread.start()
        self.pending += 1
        job.heard = self._heard
        self._queue.put(job)

    async def close(self) -> None:
        """Write what was handed over, stop the thread, close the connection."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._connection.close)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            group = [job, *self._waiting()]
            self._write(group)
            with suppress(RuntimeError):  # the loop was closed without closing the store: nobody is left to tell
                self._loop.call_soon_threadsafe(self._report, group)

    def _waiting(self) -> list[Job[Any]]:
        jobs: list[Job[Any]] = []
        with suppress(Empty):
            while len(jobs) < GROUP - 1:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)  # the end comes after this group
                    break
                jobs.append(job)
        return jobs

    def _write(self, group: list[Job[Any]]) -> None:
        try:
            self._transaction(group)
        except Exception as error:  # noqa: BLE001 - it is reported on the loop
            if len(group) > 1:  # one bad job must not take the others with it
                for job in group:
                    self._write([job])
            else:
                self._fail(group[0], self._translate(error))

    def _transaction(self, group: list[Job[Any]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for job in group:
                self._refuse_broken(job)
                job.attempt(connection)
            connection.execute("COMMIT")
        finally:
            roll_back(connection)

    def _refuse_broken(self, job: Job[Any]) -> None:
        for run in job.runs:
            failure, error = self._broken.get(run, (0, None))
            if error is not None and failure > job.heard:
                raise error

    def _fail(self, job: Job[Any], error: Exception) -> None:
        job.error = error
        if job.runs:
            self._failures += 1
            job.failure = self._failures
            self._broken.update(dict.fromkeys(job.runs, (self._failures, error)))

    def _report(self, group: list[Job[Any]]) -> None:
        for job in group:
            self.pending -= 1
            self._heard = max(self._heard, job.failure)
            job.report()
