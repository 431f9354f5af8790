"""Staying with a run: until it ends, until it only waits for long, or until somebody asks to stop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from engine.cli.digest import Wait
from engine.cli.reasons import waits
from engine.cli.stopping import Stop
from engine.model.run import ENDED, RunRecord, RunState
from engine.ports.store import Store
from engine.wiring import Engine

LOOK: Final = 0.25
"""Seconds between two looks at whether a run only waits."""

LONG: Final = 300.0
"""Seconds of sleep that a command sits through. Who waits longer can be left: the run is in the store."""

PATIENCE: Final = 2.0
"""Seconds that a run must wait before it is left, so that a signal already on its way is still acted on."""


@dataclass(frozen=True, slots=True)
class Over:
    """The run has ended, or stands still."""

    record: RunRecord


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing will happen for long."""

    record: RunRecord
    waits: list[Wait]


@dataclass(frozen=True, slots=True)
class HeldUp:
    """The run waits for a child run that has diverged, and nothing else moves."""

    record: RunRecord
    child: RunRecord


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody asked to stop."""


Attended: TypeAlias = Over | Waiting | HeldUp | Stopped


async def attend(engine: Engine, num: int, stop: Stop, *, leave: bool) -> Attended:
    """Stay with a run. `leave`: also come back when it only waits. Raises StoreError when the node fails.

    Comes back, too, when it cannot go on because a child of it has diverged.
    """
    ended = asyncio.ensure_future(engine.ended(num))
    broken = asyncio.ensure_future(engine.serve())
    stopped = asyncio.ensure_future(stop.wait())
    idle = asyncio.ensure_future(_idle(engine.store, num, leave=leave))
    tasks: list[asyncio.Future[Any]] = [ended, broken, stopped, idle]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return Over(ended.result())
        if broken.done():
            broken.result()
        return Stopped() if stopped.done() else idle.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _idle(store: Store, num: int, *, leave: bool) -> Waiting | HeldUp:
    since: float | None = None
    while True:
        await asyncio.sleep(LOOK)
        record = await store.find_num(num)
        if record is None or record.state in ENDED or not await _quiet(store, record):
            since = None
        elif since is None:
            since = time.monotonic()
        elif time.monotonic() - since >= PATIENCE:
            children = await unfinished_children(store, record)
            diverged = [child for child in children if child.state is RunState.DIVERGED]
            if diverged:
                return HeldUp(record, diverged[0])
            if leave:
                return Waiting(record, await waits(store, record))


async def _quiet(store: Store, record: RunRecord) -> bool:
    """Whether a run and all its children wait, and for long, or stand still."""
    now = time.time_ns()
    for run in [record, *await unfinished_children(store, record)]:
        due = run.wake_at
        if run.state is RunState.WAITING:
            if due is not None and due - now < LONG * 1e9:
                return False
        elif run.state is not RunState.DIVERGED and not (
            run.state is RunState.QUEUED and due is not None and due - now >= LONG * 1e9
        ):
            return False
    return True


async def unfinished_children(store: Store, record: RunRecord) -> list[RunRecord]:
    """The runs below a run that have not ended, on all levels."""
    found: list[RunRecord] = []
    todo = [record.num]
    while todo:
        children = [child for child in await store.children(todo.pop()) if child.state not in ENDED]
        found += children
        todo += [child.num for child in children]
    return found
