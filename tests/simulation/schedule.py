"""One schedule: nodes of the real runtime, clients, faults and the end, all on one loop and one seed."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, Final, cast

from engine import client as client_module
from engine.flow import Flow
from engine.model.errors import StoreError
from engine.ports.store import Store
from engine.runtime import execution
from engine.runtime import node as node_module
from engine.runtime.clock import SystemClock
from engine.runtime.node import Node
from engine.runtime.scoping import root_task
from engine.settings import NodeSettings
from observability.null import NullTelemetry
from tests.simulation.blobs import Outage, WiredBlobs
from tests.simulation.client import Secrets, SimulatedClient, until_heard
from tests.simulation.ledger import Ledger, open_ledger
from tests.simulation.limited import FLOWS
from tests.simulation.loop import OUTSIDE, PROCESS, Process, VirtualLoop, bury
from tests.simulation.plan import Asked, Fault, Plan
from tests.simulation.server import LEASE, START, Server
from tests.simulation.trace import Trace
from tests.simulation.wire import FAIR, Wire
from tests.simulation.witness import Duty

ENOUGH: Final = "enough"
"""Why clients cancel runs."""

PATIENCE: Final = 60.0
"""Seconds after which a schedule, which takes less than ten, is stuck."""

SETTLED: Final = 2.0
"""Seconds in fair weather, two looks of a node, after which everything that is to be released or rescued has been."""


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


class Schedule:
    """Plays a plan. Afterwards it is evidence."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = VirtualLoop()
        self.trace = Trace(self.loop)
        self.server = Server(self.loop, self.trace, FLOWS)
        self.ledger = Ledger(self.loop, Random(plan.seed + 1), self.server)
        self.machines: list[Machine] = []
        self.asked: dict[str, float] = {}
        self.acknowledged: dict[str, float] = {}
        self.skipped: dict[str, str] = {}
        self.said: dict[str, list[int]] = {}
        self.leaks: list[str] = []
        self.died: dict[str, float] = {}
        self.back: defaultdict[str, float] = defaultdict(float)
        self.stuck = False
        self._dice = Random(plan.seed + 2)
        self._weather = plan.weather
        self._ended = self.loop.create_future()
        self._busy = 0
        self._closing = False
        self._outage = Outage()
        self._client = SimulatedClient(self.server, self._dice, lambda: self._weather)

    def play(self) -> None:
        """From the first node to the last."""
        open_ledger(self.ledger)
        _SECRETS.seed(self.plan.seed)
        self.server.on_news = self._spread
        self.server.on_end = self._look
        try:
            self.loop.run_until_complete(self._play())
        finally:
            self._bury()
            self.loop.close()

    async def _play(self) -> None:
        for duty in self.plan.duties:
            self._boot(duty)
        clients = [asyncio.create_task(self._ask(asked)) for asked in self.plan.runs]
        for fault in self.plan.faults:
            self.loop.outside(fault.at, self._strike, fault)
        last = max([0.0, *(fault.at for fault in self.plan.faults)])
        self.loop.outside(last + 4.0, self._clear_up)
        await asyncio.wait(clients)
        for client in clients:
            client.result()
        self._look()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._ended
        except TimeoutError:
            self.stuck = True
            self.trace.note("stuck")
        await self._close()

    # Nodes ------------------------------------------------------------------------------------------------------

    def _boot(self, duty: Duty) -> None:
        name = f"node-{len(self.machines) + 1}"
        process = Process(self.loop, name)
        wire = Wire(process, self.server, self._dice, self._weather, immediate=self.plan.immediate, echo=self.plan.echo)
        clock = SimulatedClock(self.loop)
        node = Node(
            cast("Store", wire),
            cast("dict[str, Flow[..., Any]]", FLOWS),
            clock=clock,
            telemetry=NullTelemetry(),
            blobs=WiredBlobs(wire, self.server.blobs, self._outage, self._dice),
            node_id=name,
            settings=self._settings(duty),
        )
        machine = Machine(process, wire, clock, node, duty)
        self.machines.append(machine)
        self.server.witness.duties[name] = duty
        self.trace.note("boot", name)
        machine.main = process.start(self._serve(machine))
        machine.main.add_done_callback(lambda _: self._exited(machine), context=OUTSIDE)

    def _settings(self, duty: Duty) -> NodeSettings:
        return NodeSettings(
            concurrency=self.plan.concurrency,
            queues=duty.queues,
            tags=duty.tags,
            linger=timedelta(seconds=self.plan.linger),
            poll=timedelta(seconds=1),
            rescue_every=timedelta(seconds=0.8),
            crash_limit=50,
        )

    async def _serve(self, machine: Machine) -> None:
        node = machine.node
        serving = self.loop.create_task(node.run(lambda: None), name="node")
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
        self.trace.note("gave up", machine.process.name, error)

    def _exited(self, machine: Machine) -> None:
        if not machine.process.dead:
            again = machine.process.name in self.server.store._nodes  # stopped again while it was stopping
            mute = self.loop.time() < self.back[machine.process.name] + 1.0  # what hangs on the store was given up
            if not again and not mute:
                left = [task for task in machine.process.tasks if not task.done()]
                self.leaks += [f"{machine.process.name} has left {task!r} behind" for task in left]
            self._gone(machine)

    def _gone(self, machine: Machine) -> None:
        """The process is no more: its lease runs out, and another one is started."""
        if machine.gone:
            return
        machine.gone = True
        machine.process.kill()
        self.died[machine.process.name] = self.loop.time()
        self.trace.note("gone", machine.process.name)
        self._silent(machine)
        if not self._closing:
            self.loop.outside(self._dice.choice((0.05, 0.5, 3.0)), self._reboot, machine.duty)

    def _reboot(self, duty: Duty) -> None:
        if not self._closing:
            self._boot(duty)

    def _silent(self, machine: Machine) -> None:
        member = self.server.members.get(machine.process.name)
        if member is not None and member.silent is None:
            member.silent = self.loop.time()
            member.left = LEASE * (0.75 + 0.25 * self._dice.random())

    def _heard_again(self, machine: Machine) -> None:
        member = self.server.members.get(machine.process.name)
        if member is not None and not machine.process.dead:
            member.silent = None

    # Faults -----------------------------------------------------------------------------------------------------

    def _strike(self, fault: Fault) -> None:
        alive = [one for one in self.machines if not one.process.stopped and not one.stopping]
        if self._closing or not alive:
            return
        machine = alive[int(fault.victim * len(alive))]
        self.trace.note("fault", fault.kind, machine.process.name, fault.size)
        match fault.kind:
            case "kill":
                self._gone(machine)
            case "fuse":
                machine.wire.fuse = int(fault.size)
                self._watch_fuse(machine)
            case "freeze":
                machine.process.freeze()
                self._back_at(machine, self.loop.time() + fault.size)
                self._silent(machine)
                self.loop.outside(fault.size, self._thaw, machine)
            case "cut":
                machine.wire.cut_until = self.loop.time() + fault.size
                self._back_at(machine, machine.wire.cut_until)
                self._silent(machine)
                self.loop.outside(fault.size, self._heard_again, machine)
            case "stop":
                machine.stopping = True
                if machine.main is not None:
                    machine.main.cancel()
            case "clock":
                machine.clock.off += int(fault.size * 1e9)
            case "blobs":
                self._outage.until = self.loop.time() + fault.size
            case _:
                self._boot(machine.duty)

    def _watch_fuse(self, machine: Machine) -> None:
        machine.process.on_death = lambda: self.loop.outside(0.0, self._gone, machine)

    def _back_at(self, machine: Machine, when: float) -> None:
        name = machine.process.name
        self.back[name] = max(self.back[name], when)

    def _thaw(self, machine: Machine) -> None:
        self.trace.note("thaw", machine.process.name)
        if self.loop.time() >= machine.wire.cut_until:
            self._heard_again(machine)
        machine.process.thaw()

    def _clear_up(self) -> None:
        """From here on nothing goes wrong any more."""
        self._weather = FAIR
        self._outage.until = 0.0
        clear = replace(FAIR, deaf=self.plan.weather.deaf)
        for machine in self.machines:
            machine.wire.weather = clear
            machine.wire.fuse = None

    # News and ends ----------------------------------------------------------------------------------------------

    def _spread(self, name: str, own: bool) -> None:
        for machine in self.machines:
            mine = machine.process.name == name
            if own or not mine:
                machine.wire.news(own=mine)

    def _look(self) -> None:
        asked = len(self.acknowledged) + len(self.skipped) == len(self.plan.runs) and not self._busy
        if asked and self.server.over and not self._ended.done():
            self._ended.set_result(None)

    # Clients ----------------------------------------------------------------------------------------------------

    async def _ask(self, asked: Asked) -> None:
        """Ask for a run, speak to it, cancel it; ask again whenever it is not known whether it was heard."""
        self._busy += 1
        client, call = self._client, FLOWS[asked.flow].bind(**asked.params)
        await asyncio.sleep(asked.at)
        self.asked[asked.id] = self.loop.time()
        start = partial(client.start, call, id=asked.id, queue=asked.queue, requires=asked.requires)
        handle = await until_heard(partial(start, priority=asked.priority))
        if handle.skipped:
            self.skipped[asked.id] = handle.id
            self.trace.note("skipped", asked.id, handle.id)
            self._busy -= 1
            self._look()
            return
        self.acknowledged[asked.id] = self.loop.time()
        self.trace.note("acknowledged", asked.id)
        for at, word in asked.words:
            await asyncio.sleep(max(0.0, at - self.loop.time()))
            await client.signal(asked.id, "say", word)
            self.said.setdefault(asked.id, []).append(word)
        if asked.cancel is not None:
            await asyncio.sleep(max(0.0, asked.cancel - self.loop.time()))
            await until_heard(partial(client.cancel, asked.id, ENOUGH))
        self._busy -= 1
        self._look()

    # The end ----------------------------------------------------------------------------------------------------

    async def _close(self) -> None:
        """Let everything settle, look what is left, and stop the nodes in good order."""
        self._closing = True
        self._clear_up()
        last = [machine.wire.told_until for machine in self.machines]
        await asyncio.sleep(max(self.loop.time(), *self.back.values(), *last) - self.loop.time() + SETTLED)
        alive = [machine for machine in self.machines if not machine.process.dead]
        if not self.stuck:
            self._look_for_leaks(alive)
        for machine in alive:
            if machine.main is not None and not machine.main.done():
                machine.main.cancel()
        mains = [machine.main for machine in alive if machine.main is not None]
        if mains:
            await asyncio.wait(mains)
        await asyncio.sleep(0)
        stayed = {machine.process.name for machine in alive} & self.server.store._nodes.keys()
        self.leaks += [f"{name} was stopped in good order and has not left" for name in stayed]
        left = [timer for machine in alive for timer in self.loop.timers_of(machine.process)]
        self.leaks += [f"a timer is left: {timer!r}" for timer in left]

    def _look_for_leaks(self, alive: list[Machine]) -> None:
        names = {machine.process.name for machine in alive}
        for slot in self.server.perform("client", "holders", (), {}):
            if slot[3] not in names:
                continue  # of one that is dead, and not buried yet
            self.leaks.append(f"a slot is held when all is over: {slot}")
        for machine in alive:
            node = machine.node
            if machine.process.dead:
                continue
            left = {
                "stays": len(node.stays),
                "sessions": len(node.sessions),
                "arriving": len(node.stays._arriving),
                "called off": len(node.stays._called_off),
                "stranded": len(node.stays.stranded),
                "background": len(node._background),
                "waiters": len(node.ends),
                "lines for slots": sum(len(line) for line in node._slots._lines.values()),
                "unwritten": int(not node.commit.idle),
            }
            self.leaks += [f"{machine.process.name} has {count} {what} left" for what, count in left.items() if count]
            self.leaks += [
                f"nobody heard of the failure of {task!r}"
                for task in machine.process.tasks
                if task.done() and getattr(task, "_log_traceback", False)
            ]

    def _bury(self) -> None:
        for machine in self.machines:
            machine.process.kill()
        root = logging.getLogger()
        self.loop.burying = True
        bury(self.loop.outsiders)
        for machine in self.machines:
            bury(machine.process.tasks)
            machine.process.tasks.clear()
            handler = getattr(machine.node, "_log_handler", None)
            if handler is not None:
                root.removeHandler(handler)


def _planted(*args: Any, **options: Any) -> asyncio.Task[Any]:
    """The root of a run, which is made past the loop: it belongs to the process that makes it."""
    task, process = root_task(*args, **options), PROCESS.get()
    assert process is not None
    process.tasks.append(task)
    return task


class _Unwatched:
    """In place of the thread that watches real time."""

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Nobody watches."""

    def stop(self) -> None:
        """Nobody watched."""


_SECRETS: Final = Secrets()


@contextmanager
def simulating() -> Generator[None]:
    """With drawn secrets, without threads that watch real time, and without the engine's log: the dying say a lot.

    Within another one, it costs nothing.
    """
    node, client, stay = cast("Any", node_module), cast("Any", client_module), cast("Any", execution)
    if client.secrets is _SECRETS:
        yield
        return
    watch, secrets, level = node.LoopWatch, client.secrets, logging.getLogger("headrace").level
    node.LoopWatch, client.secrets, stay.root_task = _Unwatched, _SECRETS, _planted
    logging.getLogger("headrace").setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)  # of the dead
            yield
    finally:
        node.LoopWatch, client.secrets, stay.root_task = watch, secrets, root_task
        logging.getLogger("headrace").setLevel(level)
