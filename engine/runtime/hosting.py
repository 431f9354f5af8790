"""Hosting: what a node does for the runs in its memory, and what it hears of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final, TypeVar

from engine.flow import Flow
from engine.model.errors import BlobError, StoreError, UnknownRun
from engine.model.limits import Pool
from engine.model.run import ENDED, NewRun, RunRecord, RunState
from engine.ports.blobs import Blobs
from engine.ports.clock import Clock
from engine.ports.store import Store
from engine.ports.telemetry import RunIdentity, Telemetry
from engine.runtime.commit import GroupCommit
from engine.runtime.duty import Duty
from engine.runtime.ends import Ends
from engine.runtime.exports import Exports
from engine.runtime.session import Session
from engine.runtime.slots import Slots
from engine.runtime.stays import Stays, Stranded
from engine.settings import NodeSettings

_log = logging.getLogger("headrace.node")

T = TypeVar("T")

FAREWELL: Final = 5.0
"""Seconds that work beside the runs, such as giving slots back, gets when the node stops."""

BLOB_PAUSE: Final = timedelta(seconds=10)
"""How long a run stays away whose large value could not be written or read: it is replayed each time it comes back."""

ProgressListener = Callable[[int, str, float, "float | None", str], None]


class Hosting:
    """A node as its runs see it (`Home`), and what its services share. Lives on the loop's thread.

    `progress` may be called on any thread.
    """

    def __init__(
        self,
        store: Store,
        flows: Mapping[str, Flow[..., Any]],
        *,
        clock: Clock,
        telemetry: Telemetry,
        blobs: Blobs,
        node_id: str,
        settings: NodeSettings,
        only: Iterable[int] | None = None,
        attach: Callable[[RunIdentity, int], object] | None = None,
    ) -> None:
        """`only`: take these runs, and their children, and no others. `attach`: see `Host`."""
        self.store = store
        self.flows = flows
        self.clock = clock
        self.telemetry = telemetry
        self.blobs = blobs
        self.id = node_id
        self.settings = settings
        self.attach = attach
        self.effects_forbidden = False
        self.doubts = store.doubts
        self.duty = Duty(node_id, flows, settings, only, blobs.place)
        self.stays = Stays(settings.grace)
        self.listeners: list[ProgressListener] = []
        self.broken: asyncio.Future[Exception] | None = None
        self._background: set[asyncio.Task[Any]] = set()

    def open(self) -> None:
        """Make what belongs to the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self.commit = GroupCommit(self._loop, self.store)
        self.wake = asyncio.Event()
        """Set when a run may be due, or there is room for one."""
        self.ends = Ends(self._loop)
        self.broken = self._loop.create_future()
        self.exports = Exports(
            self.store,
            self.telemetry,
            self.clock,
            self.commit,
            epoch_of=self._epoch_here,
            sends=self.sends,
        )
        self._slots = Slots(self.store, self.id, freed=self._slot_freed)
        self._threads: ThreadPoolExecutor | None = None

    async def release_all(self) -> None:
        """Let all runs go, and write what they leave behind."""
        await self.stays.release()
        if self._background:
            _, stubborn = await asyncio.wait(self._background, timeout=FAREWELL)
            for task in stubborn:
                task.cancel()  # what it wanted of the store is done by leaving
            if stubborn:
                await asyncio.wait(stubborn, timeout=1.0)
        await self.commit.flushed()

    def close(self, why: str) -> None:
        """Nothing runs here any more: threads end with what they do, and who waits for an end is told."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self.ends.stop(why)

    @property
    def sessions(self) -> dict[int, Session]:
        """The runs in memory, by number."""
        return self.stays.sessions

    @property
    def moving(self) -> bool:
        """True while anything of the node's own is under way."""
        return self.wake.is_set() or bool(self._background) or self.stays.moving

    @property
    def sends(self) -> bool:
        """True when spans go to a backend."""
        return self.attach is not None

    def _epoch_here(self, num: int) -> int | None:
        session = self.sessions.get(num)
        return session.epoch if session is not None and session.closing is None else None

    # What runs ask of their host -------------------------------------------------------------------------------

    def may_park(self, num: int) -> None:
        """Look, a little later, whether the run only waits; see `parking`."""
        session = self.sessions.get(num)
        if session is not None and session.park_check is None:
            session.park_check = self._loop.call_later(self.settings.linger.total_seconds(), self._park, session)

    def _park(self, session: Session) -> None:
        session.park_check = None
        if session.num not in self.sessions or session.closing is not None or not session.waits:
            return
        wake_at = session.wake_at()
        soon = (
            wake_at is not None
            and wake_at - self.clock.now() <= 2 * self.settings.linger / timedelta(microseconds=1) * 1000
        )
        if not soon and session.can_park():
            session.park()
        else:
            self.may_park(session.num)

    def still_running(self, run: str, task: str, thread: asyncio.Future[Any]) -> None:
        _log.warning(
            "task %s of run %s is still running in its thread, which cannot be stopped; it keeps its slot", task, run
        )
        thread.add_done_callback(lambda _: _log.info("the thread of task %s of run %s has ended", task, run))

    def frontier(self) -> None:
        raise AssertionError("a node performs; only a rehearsal stops at the frontier")

    def progress(self, run: int, key: str, done: float, total: float | None, message: str) -> None:
        for listener in self.listeners:
            listener(run, key, done, total, message)

    def in_thread(self, context: Context, fn: Callable[[], Any]) -> asyncio.Future[Any]:
        if self._threads is None:  # most nodes have no task that needs one
            self._threads = ThreadPoolExecutor(self.settings.threads, "headrace-task")
        return self._loop.run_in_executor(self._threads, context.run, fn)

    async def acquire(self, pool: Pool, run: int, key: str) -> None:
        await self._slots.acquire(pool, run, key)

    def release(self, pool: Pool, run: int, key: str) -> Coroutine[Any, Any, None]:
        return self._slots.release(pool, run, key)

    def _slot_freed(self, pool: str) -> None:
        """Runs of a flow with this pool may be due now."""
        if any(one.name == pool for one in self.duty.takes.pools.values()):
            self.wake.set()

    async def reserve(self, rate: str, *, interval: int, burst: int) -> int:
        return await self.store.reserve(rate, interval=interval, burst=burst, now=self.clock.now())

    def start_child(self, run: NewRun) -> asyncio.Future[RunRecord]:
        return self._asked(self._start_child(run), f"start {run.id}")

    async def _start_child(self, run: NewRun) -> RunRecord:
        record, _ = await self.store.create(run)
        self.duty.take_on(record.num)
        self.wake.set()
        return record

    async def find(self, num: int) -> RunRecord | None:
        return await self.store.find_num(num)

    async def find_child(self, run_id: str) -> RunRecord | None:
        return await self.store.find(run_id)

    def cancel_child(self, run_id: str, reason: str) -> asyncio.Future[RunRecord | None]:
        return self._asked(self._cancel_child(run_id, reason), f"cancel {run_id}")

    async def _cancel_child(self, run_id: str, reason: str) -> RunRecord | None:
        try:
            record = await self.store.cancel(run_id, reason, now=self.clock.now())
        except UnknownRun:
            return None
        self.told_to_cancel(record, reason)
        return record

    def told_to_cancel(self, record: RunRecord, reason: str) -> None:
        """Somebody in this process asked for cancellation."""
        if record.state in ENDED:
            self.run_ended(record)
        else:
            self.stays.call_off(record.num, reason)
        self.wake.set()

    def watch(self, num: int, *, patient: bool = False) -> asyncio.Future[RunRecord]:
        future = self.ends.wait(num, patient=patient)
        if num not in self.stays and not future.done():
            self.background(self._look_at(num), f"look at run {num}")
        return future

    async def _look_at(self, num: int) -> None:
        try:
            await self.see_end(num)
        except StoreError as error:
            _log.warning("run number %s could not be looked at, trying again: %s", num, error)
            self.ends.changed(self.stays)

    async def load(self, data: bytes, blob: str | None) -> bytes:
        return data if blob is None else await self.blobs.get(blob)

    async def keep(self, run_id: str, key: str, data: bytes) -> tuple[bytes, str | None]:
        name = blob_name(run_id, key, data)
        await self.blobs.put(name, data)
        return b"null", name

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._beside(work, name)

    def _asked(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Future[T]:
        """Work whose answer a run waits for, which may be cancelled meanwhile: the work goes on."""
        task = self._beside(work, name)
        task.add_done_callback(_heard)
        return task

    def _beside(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = self._loop.create_task(work, name=f"headrace {name}", context=Context())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    # What the node hears of its runs ---------------------------------------------------------------------------

    def tell_end(self, identity: RunIdentity, record: RunRecord) -> None:
        """Report the end of a run that is on disk."""
        self.exports.ended(identity, record)

    def run_ended(self, record: RunRecord) -> None:
        """Tell those who wait for this run's end."""
        self.ends.ended(record)
        self.wake.set()

    async def see_end(self, num: int) -> None:
        """Look whether a run that somebody waits for has ended, or stands still. Raises StoreError."""
        record = await self.store.find_num(num)
        if record is not None and (record.state in ENDED or record.state is RunState.DIVERGED):
            self.run_ended(record)

    def store_failed(self, record: RunRecord, error: Exception) -> None:
        """A run had to leave memory because the store does not take its lines. What was acknowledged is safe.

        It is still owned by this node: it is let go as soon as the store takes that, and goes on then. Where only a
        large value cannot be had, it is let go after a pause, and the node has no other trouble.
        """
        alone = isinstance(error, BlobError)
        until = self._loop.time() + (BLOB_PAUSE.total_seconds() if alone else 0.0)
        self.stays.stranded[record.num] = Stranded(record.epoch, until)
        self.ends.fail(record.num, error)
        if alone:
            told = "run %s of %s stopped for %g s: %s"
            _log.error(told, record.id, record.flow, BLOB_PAUSE.total_seconds(), error)
            return
        _log.error("run %s of %s stopped, the store failed: %s", record.id, record.flow, error)
        if self.broken is not None and not self.broken.done():
            self.broken.set_result(error)

    def gives_way(self) -> None:
        if len(self.stays) >= self.settings.concurrency:  # else the child was looked for when it was queued
            self.wake.set()

    def news(self) -> None:
        """Somebody in this process wrote to the store."""
        self.wake.set()


def _heard(task: asyncio.Task[Any]) -> None:
    """Whoever waited for this may have been cancelled; asyncio need not complain that nobody heard of its failure."""
    if not task.cancelled():
        task.exception()


def blob_name(run_id: str, key: str, data: bytes) -> str:
    """Where a large value is kept: by run, and by content within it."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in run_id)[:80]
    run = blake2b(run_id.encode(), digest_size=6).hexdigest()
    value = blake2b(key.encode() + data, digest_size=16).hexdigest()
    return f"{safe}-{run}/{value}"
