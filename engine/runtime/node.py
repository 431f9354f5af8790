"""A node: claims runs, keeps them in memory while they move, and writes for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import anyio

from engine.flow import Flow
from engine.model.change import Released
from engine.model.errors import Fenced, StoreBusy, StoreError, StoreFull, UnknownRun
from engine.model.limits import Pool
from engine.model.run import ENDED, NewRun, RunRecord, RunState, Signal
from engine.ports.blobs import Blobs
from engine.ports.clock import Cancellable, Clock
from engine.ports.store import Store
from engine.ports.telemetry import RunIdentity, Telemetry
from engine.runtime import duty, execution, scoping
from engine.runtime.commit import GroupCommit
from engine.runtime.ends import Ends
from engine.runtime.exports import Exports
from engine.runtime.futures import outwait, set_within
from engine.runtime.loopwatch import LoopWatch
from engine.runtime.pruning import Pruning
from engine.runtime.runlog import RunLog
from engine.runtime.service import Service, supervise
from engine.runtime.session import Session
from engine.runtime.slots import Slots
from engine.settings import NodeSettings

_log = logging.getLogger("headrace.node")

T = TypeVar("T")

LOOKED_AT: Final = 100
"""Runs not in this process's memory whose end is looked for at a time; 2 ms of work. The others have their turn."""

LOOKS_APART: Final = 0.02
"""Seconds between two looks at the store, however often it says that there is news: each costs some queries."""

ProgressListener = Callable[[int, str, float, "float | None", str], None]


class Node:
    """One per process and store. Everything but `progress` and `in_thread` belongs to the loop's thread."""

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
        self.store = store
        self.flows = flows
        self.clock = clock
        self.telemetry = telemetry
        self.blobs = blobs
        self.id = node_id
        self.settings = settings
        self.only: set[int] | None = None if only is None else set(only)
        self.attach = attach
        self.effects_forbidden = False
        self.doubts = store.doubts
        self.sessions: dict[int, Session] = {}
        self.listeners: list[ProgressListener] = []
        self.broken: asyncio.Future[Exception] | None = None
        self._arriving: dict[int, list[Signal]] = {}
        self._stays: dict[int, asyncio.Task[None]] = {}
        self._called_off: dict[int, str] = {}
        self._stranded: dict[int, int] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._signal_mark = 0
        self._due: Cancellable | None = None
        self.takes = duty.takes_of(flows, settings, named=self.only is not None)

    def services(self) -> list[Service]:
        """What a node consists of, in the order of starting."""
        return [
            Service("claims", self._claims),
            Service("news", self._news),
            Service("rescue", self._rescue),
            Service("exports", self._exports.run),
            Service("pruning", Pruning(self.store, self.blobs, self.clock, self.settings.keep).run),
            Service("time", self.clock.keep),
        ]

    async def run(self, ready: Callable[[], None]) -> None:
        """Be a node until cancelled; then release every run for others, and leave. Raises StoreError."""
        self._loop = asyncio.get_running_loop()
        self.commit = GroupCommit(self._loop, self.store)
        self._wake = asyncio.Event()
        self._slots = Slots(self.store, self.id, freed=self._wake.set)  # a flow may have the same pool
        self._ends = Ends(self._loop)
        self._threads = ThreadPoolExecutor(self.settings.threads, "headrace-task")
        self.broken = self._loop.create_future()
        self._log_handler = RunLog(self, self._loop, self.commit.log, self.telemetry.logged)
        watch = LoopWatch(self._loop, self.settings.blocked_after.total_seconds())
        self.clock = await self.clock.agreed(self.store)
        self._exports = Exports(
            self.store,
            self.telemetry,
            self.clock,
            self.commit,
            epoch_of=self._epoch_here,
            sends=self.attach is not None,
        )
        named, now = self.only is not None, self.clock.now()
        await self.store.join(duty.record_of(self.id, self.flows, self.settings, started=now, named=named))
        await self._look_at_nodes()
        scoping.install(self._loop)
        logging.getLogger().addHandler(self._log_handler)
        _log_at_least(logging.INFO)
        watch.start()
        why = "it was told to"
        try:
            await supervise(self.services(), ready)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            _log.error("the node stops: %s", why)
            raise
        finally:
            # In a task of its own: who is told to stop twice still hands over what it has.
            with anyio.CancelScope(shield=True):
                leaving = self._loop.create_task(self._leave(watch, why), name="headrace leave")
                await outwait(leaving)
                leaving.result()

    async def _leave(self, watch: LoopWatch, why: str) -> None:
        await self._release_all()
        watch.stop()
        logging.getLogger().removeHandler(self._log_handler)
        scoping.uninstall(self._loop)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._call_off_alarm()
        self._ends.stop(why)
        await self.store.leave(self.id)

    # Services --------------------------------------------------------------------------------------------------

    async def _claims(self, ready: Callable[[], None]) -> None:
        """Take up runs that are due, as long as there is room."""
        ready()
        while True:
            self._wake.clear()
            room = self.settings.concurrency - len(self._stays)
            try:
                claimed = await (self._claim(min(room, 100)) if room > 0 else self._claim_children())
            except (StoreBusy, StoreFull) as error:
                await self._bear_with(error)
                continue
            for record in claimed:
                self._take_up(record)
            if not claimed:
                if room > 0:  # else a run that leaves makes room, and no time does
                    await self._set_alarm()
                await self._wake.wait()
            else:
                await asyncio.sleep(0)

    async def _claim(self, limit: int) -> Sequence[RunRecord]:
        return await self.store.claim(
            self.id, now=self.clock.now(), limit=limit, flows=self.flows.keys(), only=self.only, takes=self.takes
        )

    async def _claim_children(self) -> Sequence[RunRecord]:
        """Where there is no room: a run that waits for a child and cannot leave gives its place to the child."""
        parents = [awaited for session in self.sessions.values() if (awaited := session.awaited_children)]
        children = {num for parent in parents for num in parent if num not in self._stays}
        places = self.settings.concurrency + len(parents) - len(self._stays)
        if not children or places <= 0:
            return ()
        return await self.store.claim(
            self.id, now=self.clock.now(), limit=places, flows=self.flows.keys(), only=children, takes=self.takes
        )

    async def _bear_with(self, error: StoreError) -> None:
        """The store cannot write for now. It may soon: a node that gave up would take all its runs with it."""
        _log.error("the store cannot write, trying again: %s", error)
        await asyncio.sleep(self.settings.rescue_every.total_seconds())

    def _call_off_alarm(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    async def _set_alarm(self) -> None:
        self._call_off_alarm()
        when = await self.store.next_due(flows=self.flows.keys(), takes=self.takes)
        if when is not None and (self.only is None or when > self.clock.now()):
            self._due = self.clock.call_at(when, self._wake.set)

    def _take_up(self, record: RunRecord) -> None:
        self.sessions.pop(record.num, None)  # of a stay that has parked the run and is about to end
        self._arriving[record.num] = []
        stay = self._loop.create_task(self._stay(record), name=f"headrace stay {record.id}")
        self._stays[record.num] = stay

    async def _stay(self, record: RunRecord) -> None:
        try:
            await execution.execute(self, record, self.flows[record.flow], self._arrived)
        except asyncio.CancelledError:
            raise
        except StoreError as error:
            self.store_failed(record, error)
        except Exception as error:  # noqa: BLE001 - one run's trouble must not end the node; it is logged and told
            _log.exception("run %s of %s could not be carried on", record.id, record.flow)
            self._ends.fail(record.num, error)
        finally:
            if self._stays.get(record.num) is asyncio.current_task():  # else the run has been claimed again already
                self.sessions.pop(record.num, None)
                self._arriving.pop(record.num, None)
                self._called_off.pop(record.num, None)
                self._stays.pop(record.num, None)
            self._wake.set()

    def _arrived(self, session: Session) -> None:
        self.sessions[session.num] = session
        session.called_off = session.called_off or self._called_off.pop(session.num, None)
        for signal in self._arriving.pop(session.num, []):
            session.inbox.put(signal)

    async def _news(self, ready: Callable[[], None]) -> None:
        """Notice what other processes wrote: runs, signals, cancellations, ends.

        At once when the store tells and it has been quiet, else together with what else comes within `LOOKS_APART`.
        """
        ready()
        pause = self.settings.poll.total_seconds()
        told = asyncio.Event()
        forget = self.store.on_change(told.set)
        looked = -LOOKS_APART
        try:
            while True:
                if told.is_set():
                    await asyncio.sleep(looked + LOOKS_APART - self._loop.time())
                hint = told.is_set()
                told.clear()
                if self.store.changed() or hint:
                    looked = self._loop.time()
                    await self.look()
                else:
                    await self._look_for_ends()
                await set_within(told, pause)
        finally:
            forget()

    async def look(self) -> None:
        """See what is new in the store."""
        self._wake.set()
        here = [*self.sessions, *self._arriving]
        if here:
            for signal in await self.store.signals_after(self._signal_mark, here):
                self._signal_mark = max(self._signal_mark, signal.id)
                if (session := self.sessions.get(signal.run)) is not None:
                    session.inbox.put(signal)
                elif signal.run in self._arriving:
                    self._arriving[signal.run].append(signal)
            for num, reason in await self.store.cancelled(here):
                self._call_off(num, reason)
        self._ends.changed(self._stays)
        await self._look_for_ends()

    async def _look_for_ends(self) -> None:
        for num in self._ends.unseen(LOOKED_AT):
            await self._check_watched(num)

    def _call_off(self, num: int, reason: str) -> None:
        if (session := self.sessions.get(num)) is not None:
            self._cancel(session, reason)
        elif num in self._arriving:
            self._called_off[num] = reason

    def _cancel(self, session: Session, reason: str) -> None:
        if not session.cancel(reason):
            return

        def say_so() -> None:
            if session.closing is None:
                _log.warning(
                    "run %s of %s was cancelled %s ago and goes on; it ignores its cancellation",
                    session.record.id,
                    session.record.flow,
                    self.settings.grace,
                )

        session.reminder = self._loop.call_later(self.settings.grace.total_seconds(), say_so)

    async def _rescue(self, ready: Callable[[], None]) -> None:
        """Queue the runs of nodes that died."""
        started = False
        while True:
            await self.store.beat(self.id)
            await self._look_at_nodes()
            self._let_go()
            try:
                rescued = await self.store.rescue(crash_limit=self.settings.crash_limit, now=self.clock.now())
            except (StoreBusy, StoreFull) as error:
                await self._bear_with(error)
                continue
            for record in rescued:
                _log.warning("run %s of %s lost its node; it is %s", record.id, record.flow, record.state.value)
                if record.state in ENDED:
                    self.run_ended(record)
                self._wake.set()
            if not started:
                started = True
                ready()
            await asyncio.sleep(self.settings.rescue_every.total_seconds())

    async def _look_at_nodes(self) -> None:
        """Which versions of its flows others have: runs of those are left to them."""
        others = [node for node in await self.store.nodes() if node.id != self.id]
        takes = duty.takes_of(self.flows, self.settings, named=self.only is not None, others=others)
        if takes != self.takes:
            self.takes = takes
            self._wake.set()

    def _let_go(self) -> None:
        """Release the runs that the store could not write for, now that it may be able to."""
        for num, epoch in self._stranded.items():
            if num not in self._stays:
                self.commit.change(Released(num), epoch, partial(self._gone, num))

    def _gone(self, num: int, error: Exception | None) -> None:
        if error is None or isinstance(error, Fenced):
            self._stranded.pop(num, None)
            self._wake.set()

    async def _release_all(self) -> None:
        stays = list(self._stays.values())
        for stay in stays:
            stay.cancel()
        if stays:
            await asyncio.wait(stays)
        if self._background:
            _, stubborn = await asyncio.wait(self._background, timeout=5.0)
            for task in stubborn:
                task.cancel()  # what it wanted of the store is done by leaving
            if stubborn:
                await asyncio.wait(stubborn, timeout=1.0)
        await self.commit.flushed()

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
        return self._loop.run_in_executor(self._threads, context.run, fn)

    async def acquire(self, pool: Pool, run: int, key: str) -> None:
        await self._slots.acquire(pool, run, key)

    def release(self, pool: Pool, run: int, key: str) -> Coroutine[Any, Any, None]:
        return self._slots.release(pool, run, key)

    async def reserve(self, rate: str, *, interval: int, burst: int) -> int:
        return await self.store.reserve(rate, interval=interval, burst=burst, now=self.clock.now())

    def start_child(self, run: NewRun) -> asyncio.Future[RunRecord]:
        return self._asked(self._start_child(run), f"start {run.id}")

    async def _start_child(self, run: NewRun) -> RunRecord:
        record, _ = await self.store.create(run)
        if self.only is not None:
            self.only.add(record.num)
        self._wake.set()
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
            self._call_off(record.num, reason)
        self._wake.set()

    def watch(self, num: int, *, patient: bool = False) -> asyncio.Future[RunRecord]:
        future = self._ends.wait(num, patient=patient)
        if num not in self._stays and not future.done():
            self.background(self._look_at(num), f"look at run {num}")
        return future

    async def _look_at(self, num: int) -> None:
        try:
            await self._check_watched(num)
        except StoreError as error:
            _log.warning("run number %s could not be looked at, trying again: %s", num, error)
            self._ends.changed(self._stays)

    async def _check_watched(self, num: int) -> None:
        record = await self.store.find_num(num)
        if record is not None and (record.state in ENDED or record.state is RunState.DIVERGED):
            self.run_ended(record)

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
        self._exports.ended(identity, record)

    def run_ended(self, record: RunRecord) -> None:
        """Tell those who wait for this run's end."""
        self._ends.ended(record)
        self._wake.set()

    def store_failed(self, record: RunRecord, error: Exception) -> None:
        """A run had to leave memory because the store does not take its lines. What was acknowledged is safe.

        It is still owned by this node: it is let go as soon as the store takes that, and goes on then.
        """
        _log.error("run %s of %s stopped, the store failed: %s", record.id, record.flow, error)
        self._stranded[record.num] = record.epoch
        self._ends.fail(record.num, error)
        if self.broken is not None and not self.broken.done():
            self.broken.set_result(error)

    def gives_way(self) -> None:
        if len(self._stays) >= self.settings.concurrency:  # else the child was looked for when it was queued
            self._wake.set()

    def news(self) -> None:
        """Somebody in this process wrote to the store."""
        self._wake.set()


def _heard(task: asyncio.Task[Any]) -> None:
    """Whoever waited for this may have been cancelled; asyncio need not complain that nobody heard of its failure."""
    if not task.cancelled():
        task.exception()


def blob_name(run_id: str, key: str, data: bytes) -> str:
    """Where a large value is kept: by run, and by content within it."""
    from hashlib import blake2b

    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in run_id)[:80]
    run = blake2b(run_id.encode(), digest_size=6).hexdigest()
    value = blake2b(key.encode() + data, digest_size=16).hexdigest()
    return f"{safe}-{run}/{value}"


def _log_at_least(level: int) -> None:
    ours = logging.getLogger("headrace")
    if ours.level == logging.NOTSET:
        ours.setLevel(level)
