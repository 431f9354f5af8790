"""One schedule: nodes of the real runtime, clients, faults and the end, all on one loop and one seed."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import Final

from engine.model.errors import UnknownRun
from tests.simulation import leaks
from tests.simulation.client import SimulatedClient, until_heard
from tests.simulation.faults import Faults
from tests.simulation.ledger import Ledger, open_ledger
from tests.simulation.loop import VirtualLoop
from tests.simulation.machines import Machines
from tests.simulation.plan import Asked, Plan
from tests.simulation.server import Server
from tests.simulation.simulating import SECRETS
from tests.simulation.trace import Trace
from tests.simulation.workload import VERSIONS

ENOUGH: Final = "enough"
"""Why clients cancel runs."""

PATIENCE: Final = 60.0
"""Seconds after which a schedule, which takes less than ten, is stuck."""

SETTLED: Final = 2.0
"""Seconds in fair weather, two looks of a node, after which everything that is to be released or rescued has been."""


class Schedule:
    """Plays a plan. Afterwards it is evidence."""

    def __init__(self, plan: Plan) -> None:
        dice = Random(plan.seed + 2)
        self.plan = plan
        self.loop = VirtualLoop()
        self.trace = Trace(self.loop)
        self.server = Server(self.loop, self.trace, VERSIONS)
        self.ledger = Ledger(self.loop, Random(plan.seed + 1), self.server)
        self.machines = Machines(plan, self.loop, self.server, dice)
        self.asked: dict[str, float] = {}
        self.acknowledged: dict[str, float] = {}
        self.skipped: dict[str, str] = {}
        self.said: dict[str, list[int]] = {}
        self.leaks = self.machines.leaks
        self.stuck = False
        self._ended = self.loop.create_future()
        self._busy = 0
        self._client = SimulatedClient(self.server, dice, lambda: self.machines.weather)

    def play(self) -> None:
        """From the first node to the last."""
        open_ledger(self.ledger)
        SECRETS.seed(self.plan.seed)
        self.server.on_news = self.machines.spread
        self.server.on_end = self._look
        try:
            self.loop.run_until_complete(self._play())
        finally:
            self.machines.bury()
            self.loop.close()

    async def _play(self) -> None:
        for duty in self.plan.duties:
            self.machines.boot(duty)
        clients = [asyncio.create_task(self._ask(asked)) for asked in self.plan.runs]
        faults = Faults(self.loop, self.trace, self.machines)
        for fault in self.plan.faults:
            self.loop.outside(fault.at, faults.strike, fault)
        clients += [asyncio.create_task(self._prune(at)) for at in self.plan.prunes]
        last = max([0.0, *(fault.at for fault in self.plan.faults)])
        self.loop.outside(last + 4.0, self.machines.clear_up)
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

    def _look(self) -> None:
        asked = len(self.acknowledged) + len(self.skipped) == len(self.plan.runs) and not self._busy
        if asked and self.server.over and not self._ended.done():
            self._ended.set_result(None)

    async def _ask(self, asked: Asked) -> None:
        """Ask for a run, speak to it, cancel it; ask again whenever it is not known whether it was heard."""
        self._busy += 1
        client, call = self._client, VERSIONS[asked.version][asked.flow].bind(**asked.params)
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
            try:
                await until_heard(partial(client.cancel, asked.id, ENOUGH))
            except UnknownRun:
                if all(one.run.id != asked.id for one in self.server.forgotten.values()):
                    raise
        self._busy -= 1
        self._look()

    async def _prune(self, at: float) -> None:
        """Forget what has grown old, as the command does it."""
        await asyncio.sleep(at)
        store, before = self._client.store, self._client.now() - int((self.plan.keep or 0) * 1e9)
        _, blobs = await store.prune(ended_before=before, limit=100)
        for name in blobs:
            await self._client.blobs.delete(name)

    async def _close(self) -> None:
        """Let everything settle, look what is left, and stop the nodes in good order."""
        self.machines.closing = True
        self.machines.clear_up()
        last = [machine.wire.told_until for machine in self.machines.all]
        await asyncio.sleep(max(self.loop.time(), *self.machines.back.values(), *last) - self.loop.time() + SETTLED)
        alive = self.machines.alive
        if not self.stuck:
            self.leaks += leaks.of_all(self.server, alive)
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
