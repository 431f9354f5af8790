"""Rehearsal: an unfinished run replayed on other code, with effects forbidden, to see whether it would diverge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Literal

from engine import codeprint
from engine.core.replay import Divergence
from engine.flow import Flow
from engine.model import entry as kinds
from engine.model.change import Batch
from engine.model.entry import Entry
from engine.model.errors import HeadraceError
from engine.model.limits import Pool
from engine.model.run import NewRun, RunRecord
from engine.ports.blobs import Blobs
from engine.ports.clock import Clock
from engine.ports.journal import Written
from engine.ports.store import Store
from engine.ports.telemetry import Recorder, RunIdentity
from engine.runtime import scoping
from engine.runtime.clock import SystemClock
from engine.runtime.commit import GroupCommit
from engine.runtime.recording import Closing
from engine.runtime.session import Session, root_scope

Outcome = Literal["same", "goes on", "diverges", "error"]
"""What a run would do: find all it has recorded; go on, though it has not asked for some of that when it ends or does
something new; stop; fail, or not be judged.
"""

PATIENCE = 15.0
"""Seconds for one replay. What takes longer waits for something that is not recorded."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rehearsal found. `detail` has the diff, or the error, or how far the run would go on from."""

    run_id: str
    flow: str
    outcome: Outcome
    detail: str
    code_changed: bool


async def rehearse(store: Store, record: RunRecord, flow: Flow[..., Any], *, blobs: Blobs) -> Verdict:
    """Replay a run up to where its journal ends, writing nothing and performing nothing. Never raises for the flow."""
    changed = record.fingerprint != codeprint.fingerprint(flow) or record.python != codeprint.PYTHON

    def verdict(outcome: Outcome, detail: str) -> Verdict:
        return Verdict(record.id, record.flow, outcome, detail, changed)

    try:
        values = flow.parameters.decode(record.params)
        coroutine = flow.fn(**values)
    except (HeadraceError, TypeError) as error:
        return verdict("error", f"{type(error).__name__}: {error}")
    loop = asyncio.get_running_loop()
    stage = _Stage(loop, blobs)
    session = Session(stage, record, flow, await store.read(record.num), ())
    scoping.install(loop)
    root = scoping.root_task(loop, coroutine, root_scope(session), f"headrace rehearsal {record.id}")
    session.root = root
    session.delivery.tasks.add(root)
    root.add_done_callback(session.delivery.tasks.discard)
    if (reason := record.cancel or (session.recorded_cancel and "timeout")) is not None:
        session.cancel(reason)
    try:
        await asyncio.wait([root, stage.reached], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if stage.reached.done():
            await session.delivery.rest()  # other branches may have been handed results in the same moment
        return _judge(session, root, stage.reached.done(), verdict)
    finally:
        session.close(Closing.UNWINDING, None)
        for task in session.tasks.of(loop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await root
        session.end()
        scoping.uninstall(loop)


def _judge(
    session: Session, root: asyncio.Task[Any], frontier: bool, verdict: Callable[[Outcome, str], Verdict]
) -> Verdict:
    if isinstance(session.cause, Divergence):
        return verdict("diverges", session.cause.diff())
    unasked = session.replay.unasked() if session.replay is not None else []
    unasked = [line for line in unasked if line.epoch and line.outcome != kinds.CANCELLED]  # see Replay.diverges
    if root.done() and not root.cancelled() and root.exception() is not None:
        return verdict("error", f"the flow raises {root.exception()!r} while replaying")
    names = ", ".join(f"{line.name}({line.args})" for line in unasked[:5]) + ", …" * (len(unasked) > 5)
    if not root.done() and not frontier and session.delivery.replaying:
        waits = f"after {PATIENCE:g} s it waits for something that is not recorded"
        return verdict("error", f"{waits}; not asked for yet: {names}")
    # A run goes on here: it stops only when it asks for something like it. See Replay.diverges.
    if root.done() and unasked:
        return verdict("goes on", f"the flow ends without asking for what was recorded: {names}")
    if frontier and unasked:
        return verdict("goes on", f"the flow does something new and has not asked for what was recorded: {names}")
    total = session.replay.total if session.replay is not None else 0
    return verdict("same", f"{total} recorded results are found again")


class _Stage:
    """A host on which nothing happens: no line is written, no effect performed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, blobs: Blobs) -> None:
        self.clock: Clock = SystemClock()
        self.commit = GroupCommit(loop, _NoJournal())
        self.telemetry: Recorder = self
        self._blobs = blobs
        self.effects_forbidden = True
        self.doubts: Callable[[], bool] | None = None
        self.attach: Callable[[RunIdentity, int], object] | None = None
        self.reached: asyncio.Future[None] = loop.create_future()
        self._loop = loop

    def recorded(self, run: RunIdentity, entries: Sequence[Entry]) -> None:
        return

    def frontier(self) -> None:
        if not self.reached.done():
            self.reached.set_result(None)

    def may_park(self, num: int) -> None:
        self.frontier()

    def still_running(self, run: str, task: str, thread: asyncio.Future[Any]) -> None:
        raise AssertionError("a rehearsal starts no threads")

    def progress(self, run: int, key: str, done: float, total: float | None, message: str) -> None:
        return

    def in_thread(self, context: Context, fn: Callable[[], Any]) -> asyncio.Future[Any]:
        raise AssertionError("a rehearsal starts no threads")

    async def acquire(self, pool: Pool, run: int, key: str) -> None:
        raise AssertionError("a rehearsal takes no slots")

    async def release(self, pool: Pool, run: int, key: str) -> None:
        raise AssertionError("a rehearsal takes no slots")

    async def reserve(self, rate: str, *, interval: int, burst: int) -> int:
        raise AssertionError("a rehearsal starts nothing that has a rate")

    def start_child(self, run: NewRun) -> asyncio.Future[RunRecord]:
        raise AssertionError("a rehearsal starts no runs")

    async def find(self, num: int) -> RunRecord | None:
        raise AssertionError("a rehearsal starts no runs")

    async def find_child(self, run_id: str) -> RunRecord | None:
        raise AssertionError("a rehearsal starts no runs")

    def watch(self, num: int, *, patient: bool = False) -> asyncio.Future[RunRecord]:
        raise AssertionError("a rehearsal waits for no runs")

    def cancel_child(self, run_id: str, reason: str) -> asyncio.Future[RunRecord | None]:
        raise AssertionError("a rehearsal cancels nothing")

    def gives_way(self) -> None:
        raise AssertionError("a rehearsal waits for no runs")

    async def load(self, data: bytes, blob: str | None) -> bytes:
        return data if blob is None else await self._blobs.get(blob)

    async def keep(self, run_id: str, key: str, data: bytes) -> tuple[bytes, str | None]:
        raise AssertionError("a rehearsal stores nothing")

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        work.close()


class _NoJournal:
    """Takes lines and keeps none."""

    immediate = True

    async def read(self, run: int) -> list[Entry]:
        return []

    def write_one(self, entry: Entry) -> bool:
        return True

    def write(self, batch: Batch, written: Written) -> None:
        written(frozenset(), None)
