"""Machines: processes with nodes in them; booted, and booted again when they are no more."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Final, cast

from engine.flow import Flow
from engine.model.errors import StoreError
from engine.ports.store import Store
from engine.runtime.clock import SystemClock
from engine.runtime.node import Node
from engine.settings import NodeSettings
from observability.null import NullTelemetry
from tests.simulation.blobs import Outage, WiredBlobs
from tests.simulation.loop import OUTSIDE, Process, VirtualLoop, bury
from tests.simulation.plan import Plan
from tests.simulation.server import LEASE, START, Server
from tests.simulation.wire import FAIR, Wire
from tests.simulation.witness import Duty
from tests.simulation.workload import VERSIONS

OTHER: Final = {"1": "2", "2": "1"}
"""What a machine's code becomes when it is started with another one."""


class SimulatedClock(SystemClock):
    """A node's wall clock: the loop's time, and how far it is off."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.off = 0
        self._loop = loop

    def now(self) -> int:
        return START + int(self._loop.time() * 1e9) + self.off


@dataclass(eq=False)
class Machine:
    """A process with a node in it, and all that can be done to it."""

    process: Process
    wire: Wire
    clock: SimulatedClock
    node: Node
    duty: Duty
    main: asyncio.Task[None] | None = None
    stopping: bool = False
    gone: bool = False


class Machines:
    """All there have been in a schedule, and what is known of them.

    died     when, by the name of the process
    back     until when one was frozen or cut off
    leaks    what they left behind, or ended with
    closing  nobody starts another one any more
    """

    def __init__(self, plan: Plan, loop: VirtualLoop, server: Server, dice: Random) -> None:
        self.all: list[Machine] = []
        self.weather = plan.weather
        self.outage = Outage()
        self.leaks: list[str] = []
        self.died: dict[str, float] = {}
        self.back: defaultdict[str, float] = defaultdict(float)
        self.closing = False
        self._plan = plan
        self._loop = loop
        self._server = server
        self._dice = dice

    @property
    def alive(self) -> list[Machine]:
        """Those whose processes live, frozen or not."""
        return [machine for machine in self.all if not machine.process.dead]

    def boot(self, duty: Duty) -> None:
        """Start one more."""
        plan, server = self._plan, self._server
        name = f"node-{len(self.all) + 1}"
        process = Process(self._loop, name)
        wire = Wire(process, server, self._dice, self.weather, immediate=plan.immediate, echo=plan.echo)
        clock = SimulatedClock(self._loop)
        node = Node(
            cast("Store", wire),
            cast("dict[str, Flow[..., Any]]", VERSIONS[duty.version]),
            clock=clock,
            telemetry=NullTelemetry(),
            blobs=WiredBlobs(wire, server.blobs, self.outage, self._dice),
            node_id=name,
            settings=self._settings(duty),
        )
        machine = Machine(process, wire, clock, node, duty)
        self.all.append(machine)
        server.witness.duties[name] = duty
        server.note("boot", name)
        machine.main = process.start(self._serve(machine))
        machine.main.add_done_callback(lambda _: self._exited(machine), context=OUTSIDE)

    def _settings(self, duty: Duty) -> NodeSettings:
        return NodeSettings(
            concurrency=self._plan.concurrency,
            queues=duty.queues,
            tags=duty.tags,
            linger=timedelta(seconds=self._plan.linger),
            poll=timedelta(seconds=1),
            rescue_every=timedelta(seconds=0.8),
            crash_limit=50,
            keep=None if self._plan.keep is None else timedelta(seconds=self._plan.keep),
        )

    async def _serve(self, machine: Machine) -> None:
        node = machine.node
        serving = self._loop.create_task(node.run(lambda: None), name="node")
        try:
            await asyncio.wait([serving])
        except asyncio.CancelledError:
            serving.cancel()
            await asyncio.wait([serving])
        if serving.cancelled():
            return
        error = serving.exception()
        if not isinstance(error, StoreError):
            self.leaks.append(f"{machine.process.name} ended with {error!r}")
        self._server.note("gave up", machine.process.name, error)

    def _exited(self, machine: Machine) -> None:
        if not machine.process.dead:
            again = machine.process.name in self._server.store._nodes  # stopped again while it was stopping
            mute = self._loop.time() < self.back[machine.process.name] + 1.0  # what hangs on the store was given up
            if not again and not mute:
                left = [task for task in machine.process.tasks if not task.done()]
                self.leaks += [f"{machine.process.name} has left {task!r} behind" for task in left]
            self.lose(machine)

    def lose(self, machine: Machine) -> None:
        """The process is no more: its lease runs out, and another one is started."""
        if machine.gone:
            return
        machine.gone = True
        machine.process.kill()
        self.died[machine.process.name] = self._loop.time()
        self._server.note("gone", machine.process.name)
        self.silence(machine)
        if not self.closing:
            self._loop.outside(self._dice.choice((0.05, 0.5, 3.0)), self._reboot, machine.duty)

    def _reboot(self, duty: Duty) -> None:
        if not self.closing:
            self.boot(duty if self._dice.random() < 0.7 else replace(duty, version=OTHER[duty.version]))

    def silence(self, machine: Machine) -> None:
        """Its lease is not renewed from now on."""
        name = machine.process.name
        member = self._server.members.get(name)
        if member is None:  # its joining may be on its way
            self._server.mute.add(name)
        elif member.silent is None:
            member.silent = self._loop.time()
            member.left = LEASE * (0.75 + 0.25 * self._dice.random())

    def hear(self, machine: Machine) -> None:
        """Its lease is renewed again."""
        if machine.process.dead:
            return
        self._server.mute.discard(machine.process.name)
        member = self._server.members.get(machine.process.name)
        if member is not None:
            member.silent = None

    def clear_up(self) -> None:
        """From here on nothing goes wrong any more."""
        self.weather = FAIR
        self.outage.until = 0.0
        clear = replace(FAIR, deaf=self._plan.weather.deaf)
        for machine in self.all:
            machine.wire.weather = clear
            machine.wire.fuse = None

    def spread(self, name: str, own: bool) -> None:
        """A process has written something: the others hear of it, and itself, too, where it is told of its own."""
        for machine in self.all:
            mine = machine.process.name == name
            if own or not mine:
                machine.wire.news(own=mine)

    def bury(self) -> None:
        """The schedule is over, and so is everything."""
        for machine in self.all:
            machine.process.kill()
        root = logging.getLogger()
        self._loop.burying = True
        bury(self._loop.outsiders)
        for machine in self.all:
            bury(machine.process.tasks)
            machine.process.tasks.clear()
            handler = getattr(machine.node, "_log_handler", None)
            if handler is not None:
                root.removeHandler(handler)
