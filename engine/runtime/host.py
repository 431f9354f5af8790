"""What a run in memory needs from the node it lives on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol

from engine.model.limits import Pool
from engine.model.run import NewRun, RunRecord
from engine.ports.clock import Clock
from engine.ports.store import Store
from engine.ports.telemetry import Recorder, RunIdentity, Telemetry
from engine.runtime.commit import GroupCommit


class Host(Protocol):
    """A node, as its runs see it."""

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        ...

    @property
    def commit(self) -> GroupCommit:
        """Where lines go."""
        ...

    @property
    def telemetry(self) -> Recorder:
        """Who hears of lines that are on disk."""
        ...

    @property
    def effects_forbidden(self) -> bool:
        """True in a rehearsal."""
        ...

    @property
    def attach(self) -> Callable[[RunIdentity, int], object] | None:
        """How a body's span becomes the current one; None when nobody could see it."""
        ...

    @property
    def doubts(self) -> Callable[[], bool] | None:
        """Whether this node may be dead to the others without knowing it yet; None where that cannot be."""
        ...

    def may_park(self, num: int) -> None:
        """The run has begun to wait for something that may take long."""

    def still_running(self, run: str, task: str, thread: asyncio.Future[Any]) -> None:
        """A thread was left alone by its timeout or its cancellation: say so, and say when it ends."""

    def frontier(self) -> None:
        """In a rehearsal: the run has come to where its journal ends."""

    def progress(self, run: int, key: str, done: float, total: float | None, message: str) -> None:
        """Somebody may be watching. Callable from any thread."""

    def in_thread(self, context: Context, fn: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run a plain function in a worker thread. Cancelling the future does not stop the thread."""
        ...

    async def acquire(self, pool: Pool, run: int, key: str) -> None:
        """Wait for a slot. Cancelling gives up the place in the line."""

    def release(self, pool: Pool, run: int, key: str) -> Coroutine[Any, Any, None]:
        """Give a slot back; to be awaited. From the call on, asking for it again waits until it is back."""
        ...

    async def reserve(self, rate: str, *, interval: int, burst: int) -> int:
        """Take a place of a rate: in how many nanoseconds its holder may start; see `ports.rates`."""
        ...

    def start_child(self, run: NewRun) -> asyncio.Future[RunRecord]:
        """Create a child run, or find it. Goes on when whoever waits for it is cancelled."""
        ...

    async def find(self, num: int) -> RunRecord | None:
        """The run of this number, as the store has it."""
        ...

    async def find_child(self, run_id: str) -> RunRecord | None:
        """The child run of this id, if it was created already."""
        ...

    def watch(self, num: int, *, patient: bool = False) -> asyncio.Future[RunRecord]:
        """Done when the run has ended, or, unless `patient`, stands still in DIVERGED."""
        ...

    def cancel_child(self, run_id: str, reason: str) -> asyncio.Future[RunRecord | None]:
        """Ask for cancellation of a child run, and say what became of it; None when there is no such run.

        Goes on when whoever waits for it is cancelled.
        """
        ...

    def gives_way(self) -> None:
        """A run waits for a child of its own: there may be no room for the child but this run's."""

    async def load(self, data: bytes, blob: str | None) -> bytes:
        """A value of the journal, wherever it is kept."""
        ...

    async def keep(self, run_id: str, key: str, data: bytes) -> tuple[bytes, str | None]:
        """Put a value where it belongs: what the journal holds, and the name of the blob if it went there."""
        ...

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something to its end, outside any run."""


class Home(Host, Protocol):
    """A node, as what carries its runs out sees it: everything a run needs, and who hears what became of it."""

    @property
    def store(self) -> Store:
        """Where the run is."""
        ...

    @property
    def telemetry(self) -> Telemetry:
        """Who hears of the run's beginning, its lines and its end."""
        ...

    def tell_end(self, identity: RunIdentity, record: RunRecord) -> None:
        """Report the end of a run that is on disk."""

    def run_ended(self, record: RunRecord) -> None:
        """Tell those who wait for this run's end."""

    def store_failed(self, record: RunRecord, error: Exception) -> None:
        """A run had to leave memory because the store does not take its lines, or a large value cannot be had."""
