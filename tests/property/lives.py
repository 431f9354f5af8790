"""Lives: one program, run from a state of the disk to its end, on a store that remembers every state in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from engine import testing
from engine.model.errors import RunError
from engine.model.run import ENDED
from engine.testing.disk import Disk, RememberingStore
from tests.property.program import child, program
from tests.property.world import Snapshot, World, enter

RUN = "it"

STUCK = 15.0
"""Real seconds after which a life, which takes a few thousandths of one, is given up."""

SIGNALS = {name: [f"{name} {number}" for number in range(100)] for name in ("go", "stop")}
"""More than any program waits for."""


@dataclass(frozen=True)
class Plan:
    """A program, and what is done to it from outside. `linger` False takes runs out of memory at every wait.

    `cancel` is the number of the commit after which the run is cancelled.
    """

    tree: list[Any]
    lenient: bool
    linger: bool
    cancel: int | None


@dataclass(frozen=True)
class Life:
    """What came of it. `past` begins with the disk that the life began with, when there was one."""

    world: World
    outcome: tuple[str, Any]
    past: list[Disk]
    end: Disk

    @property
    def alive(self) -> list[Disk]:
        """The states in which the run had not ended: those in which a crash matters."""
        return [disk for disk in self.past if (run := disk.run(RUN)) is not None and run.state not in ENDED]


async def live(plan: Plan, seed: str, disk: Disk | None = None) -> Life:
    """Run the program from a disk, or from nothing."""
    world = World(seed)
    enter(world)
    store = RememberingStore(disk=disk)
    engine = testing.engine(
        flows=[program, child], signals=SIGNALS, store=store, linger=None if plan.linger else timedelta(0)
    )
    commits = count()

    def note() -> Snapshot:
        if next(commits) == plan.cancel and disk is None:
            engine.node.background(cancel(engine), "cancel")
        return world.snapshot()

    store.clock, store.note = engine.clock.now, note
    if disk is not None:
        engine.clock.go_to(disk.at)
        store.past.append(disk)
    async with engine:
        run = await engine.start(program.bind(plan.tree, plan.lenient), id=RUN)
        try:
            async with asyncio.timeout(STUCK):
                outcome: tuple[str, Any] = ("returned", await run.result())
        except TimeoutError:
            outcome = ("stuck", f"nothing moved for {STUCK} s")
        except RunError as error:
            outcome = (type(error).__name__, str(error))
        end = store.disk()
    return Life(world, outcome, store.past, end)


async def cancel(engine: testing.TestEngine) -> None:
    """Somebody asks for the run's cancellation."""
    await engine.cancel(RUN, "enough")
