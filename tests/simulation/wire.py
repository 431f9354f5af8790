"""The wire between a process and the store: delays, reordering, lost answers, lost hints, and death at any call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

from engine.model.change import Batch
from engine.model.entry import Entry
from engine.model.errors import StoreBusy, StoreError
from engine.model.run import NewRun, NodeRecord, RunRecord
from engine.ports.journal import Written
from engine.runtime.futures import resolve
from engine.stores.listeners import Listeners
from tests.simulation.evidence import Refusal
from tests.simulation.loop import Process
from tests.simulation.server import Server

LOOK: Final = 1.0
"""Seconds after which `changed` says True when others have written something, whatever was heard: it is the truth."""


@dataclass(frozen=True)
class Weather:
    """How bad it is. `calm` of all calls are answered at once, the others after up to two times `slow` seconds.

    refused  the share that fails without effect
    unsure   the share that fails with its effect; that of a batch may come after the error was told
    deaf     the share of hints that is lost; the others come up to `slow` seconds late
    """

    calm: float
    slow: float
    refused: float
    unsure: float
    deaf: float


FAIR: Final = Weather(1.0, 0.001, 0.0, 0.0, 0.0)


class Wire:
    """Satisfies `ports.store.Store`, call by call, for one process. Nothing passes once the process is dead."""

    description = "a simulated store"

    def __init__(
        self, process: Process, server: Server, dice: Random, weather: Weather, *, immediate: bool, echo: bool
    ) -> None:
        self.process = process
        self.weather = weather
        self.immediate = immediate
        self._echo = echo
        self.cut_until = 0.0
        self.told_until = 0.0  # no answer to what was asked so far comes later
        self.fuse: int | None = None
        self._server = server
        self._dice = dice
        self._loop = process.loop
        self._listeners = Listeners()
        self._heard = False
        self._looked = 0.0
        self._seen = 0
        self._busy_until = 0.0
        self._known = frozenset[str]()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Every call of the port that is a coroutine."""
        if name.startswith("_"):
            raise AttributeError(name)
        call = partial(self._call, name)
        self.__dict__[name] = call
        return call

    def doubts(self) -> bool:
        """What the process knows of its lease by its own clock: it may be over, or was."""
        return self._server.is_doubtful(self.process.name)

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self.process.dead or (self.fuse is not None and self.burn()):
            await self._loop.create_future()  # nobody will ever hear of it
        weather, dice, loop = self.weather, self._dice, self._loop
        roll = dice.random()
        if roll < weather.calm and self.cut_until <= loop._seconds:
            return self._server.perform(self.process.name, name, args, kwargs)
        future: asyncio.Future[Any] = loop.create_future()
        now = loop._seconds
        there = max(now, self.cut_until) + weather.slow * dice.random()
        back = weather.slow * dice.random()
        fate = dice.random()
        self.told_until = max(self.told_until, there + back * 2)
        if fate < weather.refused + weather.unsure:
            self._server.note("trouble", self.process.name, name, fate < weather.refused)
        if fate < weather.refused:
            error = StoreBusy("refused") if dice.random() < 0.5 else StoreError("refused")
            loop.outside(there - now + back, fail, future, error)
        elif fate < weather.refused + weather.unsure:
            loop.outside(there - now + back * 2 * dice.random(), self._apply, name, args, kwargs, None, 0.0)
            loop.outside(there - now + back * 2, fail, future, StoreError("the answer was lost"))
        else:
            loop.outside(there - now, self._apply, name, args, kwargs, future, back)
        return await future

    def _apply(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], future: asyncio.Future[Any] | None, back: float
    ) -> None:
        if self.lost():
            return
        try:
            answer = self._server.perform(self.process.name, name, args, kwargs)
        except Exception as error:  # noqa: BLE001 - it is the caller's
            if future is not None:
                self._loop.outside(back, fail, future, error)
            return
        if future is not None:
            self._loop.outside(back, resolve, future, answer)

    def lost(self) -> bool:
        """What a dead process has sent may not have left it; its connections are cut when it is buried."""
        return self.process.dead and (self._server.is_buried(self.process.name) or self._dice.random() < 0.5)

    def burn(self) -> bool:
        """Count down to the call at which the process dies; True when this is it."""
        if self.fuse is None:
            return False
        self.fuse -= 1
        if self.fuse > 0:
            return False
        self.fuse = None
        self.process.kill()
        return True

    async def nodes(self) -> Sequence[NodeRecord]:
        nodes: Sequence[NodeRecord] = await self._call("nodes")
        self._known = frozenset(node.id for node in nodes if node.alive and node.id != self.process.name)
        return nodes

    async def create(self, run: NewRun) -> tuple[RunRecord, bool]:
        if not self.process.dead and self.doubts():
            self._server.witness.asked_in_doubt(self.process.name, run)
        made: tuple[RunRecord, bool] = await self._call("create", run)
        return made

    async def claim(self, *args: Any, **kwargs: Any) -> Sequence[RunRecord]:
        """Says along which other nodes the process knew of when it asked."""
        runs: Sequence[RunRecord] = await self._call("claim", *args, known=self._known, **kwargs)
        return runs

    # The journal, which is given its lines without waiting ------------------------------------------------------

    def write_one(self, entry: Entry) -> bool | None:
        if self.process.dead or not self.immediate:
            return None
        first = self._dice.random() < 0.5
        if self.fuse is not None and self.burn() and first:
            return None
        return self._server.write_one(self.process.name, entry)

    def write(self, batch: Batch, written: Written) -> None:
        process, dice, loop, weather = self.process, self._dice, self._loop, self.weather
        if process.dead:
            return
        if self.fuse is not None and self.burn():
            if dice.random() < 0.5:
                self._server.write(process.name, batch, _nobody)
            return
        if self.immediate:
            self._server.write(process.name, batch, written)
            return
        now = loop.time()
        start = max(now, self.cut_until, self._busy_until)
        calm = dice.random() < weather.calm
        there = start + (0.0 if calm else weather.slow * dice.random())
        back = 0.0 if calm else weather.slow * dice.random()
        fate = 1.0 if calm else dice.random()
        self._busy_until = there + back
        self.told_until = max(self.told_until, there + back * 4)
        if fate < weather.refused + weather.unsure:
            self._server.note("trouble", self.process.name, "write", fate < weather.refused)
            self._server.refusals.append(Refusal(there + back * (1 if fate < weather.refused else 2), batch))
        if fate < weather.refused:
            self._tell(there + back, written, frozenset(), StoreError("refused"))
        elif fate < weather.refused + weather.unsure:
            loop.outside(there - now + back * 4 * dice.random(), self._write, batch, None, 0.0)
            self._tell(there + back * 2, written, frozenset(), StoreError("the answer was lost"))
        else:
            loop.outside(there - now, self._write, batch, written, back)

    def _write(self, batch: Batch, written: Written | None, back: float) -> None:
        if self.lost():
            return

        def answered(fenced: frozenset[int], error: Exception | None) -> None:
            if written is not None:
                self._tell(self._loop.time() + back, written, fenced, error)

        self._server.write(self.process.name, batch, answered)

    def _tell(self, at: float, written: Written, fenced: frozenset[int], error: Exception | None) -> None:
        self._loop.call_at(at, written, fenced, error, context=self.process.context)

    # News -------------------------------------------------------------------------------------------------------

    def changed(self) -> bool:
        now = self._loop.time()
        others = self._server.others(self.process.name)
        if self._heard or (others > self._seen and now - self._looked >= LOOK):
            self._heard, self._looked, self._seen = False, now, others
            return True
        return False

    def on_change(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(wake)

    def news(self, *, own: bool) -> None:
        """Somebody has written; this process hears of it, or not."""
        if self.process.dead:
            return
        if own:
            if self._echo:
                self._loop.call_soon(self._hear, context=self.process.context)
        elif self._dice.random() >= self.weather.deaf:
            late = 0.0 if self._dice.random() < self.weather.calm else self._dice.random() * self.weather.slow
            self._loop.call_at(self._loop.time() + late, self._hear, context=self.process.context)

    def _hear(self) -> None:
        self._heard = True
        self._listeners.tell()


def _nobody(_fenced: frozenset[int], _error: Exception | None) -> None:
    """Who would have been told is dead."""


def fail(future: asyncio.Future[Any], error: BaseException) -> None:
    """Set the exception, unless whoever waited has gone."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever is cancelled at this moment does not ask
