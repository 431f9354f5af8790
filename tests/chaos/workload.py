"""The workload: starts runs of every shape, sends them signals, cancels some, and remembers what was acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from time import monotonic_ns
from typing import Any, Final

from engine.client import Client, RunHandle
from engine.flow import Call
from engine.model.errors import RunConflict, StoreError, UnknownRun
from tests.chaos import flows
from tests.chaos.evidence import Asked, Skipped

SHAPES: Final = {
    "chain": 5, "fan": 3, "family": 2, "nap": 3, "talk": 3, "stubborn": 2, "patient": 2, "race": 2, "heavy": 1,
    "served": 5, "queued": 2, "stocked": 3, "reign": 2, "calls": 3, "desk": 4,
}  # fmt: skip
"""How often each flow is started."""

DURATION: Final = {"short": (3, 12), "long": (40, 120)}


class Workload:
    """Keeps so many runs going. `over` says when a run has ended."""

    def __init__(self, client: Client, seed: int, in_hand: int, over: Callable[[str], bool]) -> None:
        self._client = client
        self._dice = Random(f"{seed} workload")
        self._in_hand = in_hand
        self._over = over
        self._open: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: dict[str, Asked] = {}
        self.skipped: list[Skipped] = []
        self.unsure = 0
        self._reigning: dict[int, Asked] = {}

    async def run(self) -> None:
        """Start runs until cancelled; a start under way is finished first."""
        number = 0
        while True:
            self._open = {run for run in self._open if not self._over(run)}
            if len(self._open) < self._in_hand:
                number += 1
                starting = asyncio.ensure_future(self._start(number))
                self._keep(starting)
                await asyncio.shield(starting)
            await asyncio.sleep(0.02)

    async def finish(self) -> None:
        """Wait until everything that was begun has been asked of the runs, and end those that last until replaced."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        for asked in self._reigning.values():
            self._spawn(self._cancel(asked, 0.0))
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    @property
    def open(self) -> list[str]:
        """Acknowledged runs that have not ended, as far as was seen."""
        return [run for run in self.asked if not self._over(run)]

    async def _start(self, number: int) -> None:
        dice = Random(self._dice.getrandbits(64))
        (flow,) = dice.choices([*SHAPES], [*SHAPES.values()])
        call, params = _call(flow, number, dice)
        id = f"{flow}-{number}"
        priority = dice.randrange(10)
        began = monotonic_ns()
        started = await self._started(call, id, priority)
        while started is None and flow == "reign":  # it replaces others: the last of them must be known
            began = monotonic_ns()
            started = await self._started(call, id, priority)
        if started is None:
            return
        if started.skipped:
            self.skipped.append(Skipped(id, flow, params, started.id, began))
            return
        asked = self.asked[id] = Asked(id, flow, params)
        self._open.add(id)
        if flow == "talk":
            self._spawn(self._talk(asked, params["words"], dice))
        elif flow == "patient":
            self._spawn(self._cancel(asked, dice.uniform(0.1, 5.0)))
        elif flow == "reign":
            self._reigning[params["shop"]] = asked

    async def _started(self, call: Call[Any], id: str, priority: int) -> RunHandle[Any] | None:
        try:
            return await self._client.start(call, id=id, priority=priority)
        except StoreError:
            await self._not_sure()
            return None

    async def _talk(self, asked: Asked, words: int, dice: Random) -> None:
        for _ in range(words):
            await asyncio.sleep(dice.expovariate(1.5))
            word = dice.randrange(1000)
            while not await self._said(asked, word):
                asked.unsure = True  # it may have arrived, and comes a second time now
            asked.said.append(word)

    async def _said(self, asked: Asked, word: int) -> bool:
        try:
            await self._client.signal(asked.id, "say", word)
        except (RunConflict, UnknownRun):
            return True  # ended by a signal that nobody was sure of; the checker sees the result
        except StoreError:
            await self._not_sure()
            return False
        return True

    async def _cancel(self, asked: Asked, after: float) -> None:
        await asyncio.sleep(after)
        while not asked.cancelled:
            try:
                await self._client.cancel(asked.id, "the driver wants it so")
            except StoreError:
                await self._not_sure()
            else:
                asked.cancelled = True

    async def _not_sure(self) -> None:
        """Something was not acknowledged: it may be there or not. A store that is closed says so without a pause."""
        self.unsure += 1
        await asyncio.sleep(0)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.ensure_future(work))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _call(flow: str, x: int, dice: Random) -> tuple[Call[Any], dict[str, Any]]:
    params: dict[str, Any] = {"x": x}
    match flow:
        case "chain":
            params["links"] = dice.randint(*DURATION[dice.choice(("short", "short", "long"))])
            return flows.chain.bind(**params), params
        case "fan":
            params["width"] = dice.randint(2, 12)
            return flows.fan.bind(**params), params
        case "family":
            params["children"] = dice.randint(1, 4)
            return flows.family.bind(**params), params
        case "nap":
            params["milliseconds"] = dice.choice((30, 300, 1500, 4000))
            return flows.nap.bind(**params), params
        case "talk":
            params["words"] = dice.randint(1, 5)
            return flows.talk.bind(**params), params
        case "stubborn":
            params["failures"] = dice.randint(0, 5)
            return flows.stubborn.bind(**params), params
        case "patient":
            return flows.patient.bind(**params), params
        case "race":
            return flows.race.bind(**params), params
        case "served":
            params |= {"customer": dice.randrange(3), "links": dice.randint(1, 8)}
            params["milliseconds"] = dice.choice((0, 0, 0, 30, 500))
            return flows.served.bind(**params), params
        case "queued":
            params |= {"shop": dice.randrange(2), "links": dice.randint(1, 8)}
            return flows.queued.bind(**params), params
        case "stocked":
            params |= {"shop": dice.randrange(2), "milliseconds": dice.choice((0, 200, 1000))}
            return flows.stocked.bind(**params), params
        case "reign":
            params["shop"] = dice.randrange(2)
            return flows.reign.bind(**params), params
        case "calls":
            params["number"] = dice.randint(1, 6)
            return flows.calls.bind(**params), params
        case "desk":
            params |= {"papers": dice.randint(1, 10), "milliseconds": dice.choice((0, 0, 400))}
            return flows.desk.bind(**params), params
        case _:
            return flows.heavy.bind(**params), params
