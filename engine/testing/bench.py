"""An engine for tests: in memory, with a clock that jumps over every wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from engine.flow import Flow
from engine.model.errors import HeadraceError
from engine.model.run import RunRecord
from engine.ports.blobs import Blobs
from engine.ports.store import Store
from engine.ports.telemetry import Telemetry
from engine.runtime.scoping import ScopedTask
from engine.settings import NodeSettings
from engine.stores.blobs import MemoryBlobs
from engine.stores.memory import MemoryStore
from engine.testing import rest
from engine.testing.clock import START, VirtualClock
from engine.testing.script import ANY, Script, Signals, awaited
from engine.wiring import Engine
from observability.null import NullTelemetry

QUIET: Final = 12
"""Passes of the loop without movement that count as rest: more than delivery needs to notice that a flow rests."""

HURRY: Final = 200
"""Passes after which waiting for the outside world stops taking all of the processor."""

POLLS: Final = 300
"""Passes in which code of a flow runs and nothing comes of it, after which it counts as polling, and time goes on."""

PATIENCE: Final = 0.1
"""Real seconds that `advance` gives to what waits for the outside world before it lets time pass all the same."""

SETTINGS: Final = NodeSettings(
    poll=timedelta(hours=1), rescue_every=timedelta(hours=1), blocked_after=timedelta(seconds=5)
)
"""Nobody else writes to a store in memory, so there is nobody to look out for."""


class Stuck(HeadraceError):
    """Somebody waits for a run that nothing can move: no timer is set and no signal is scripted."""


class TestEngine(Engine):
    """Like `Engine`, but time stands still except while somebody awaits a result, and in `advance`.

    While a result is awaited and everything is at rest, the clock jumps to the next timer, so that a sleep of a day
    takes as long as none. What waits for the outside world (a thread, a socket, `asyncio.sleep`) is waited for.
    """

    __test__ = False  # pytest takes every class called Test… for a test

    def __init__(
        self,
        *,
        flows: Iterable[Flow[..., Any]],
        signals: Signals = (),
        clock: VirtualClock,
        store: Store,
        blobs: Blobs,
        settings: NodeSettings,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(store, flows=flows, settings=settings, telemetry=telemetry, clock=clock, blobs=blobs)
        self.clock: Final = clock
        self._script = Script()
        self._script.add(ANY, signals)
        self._waiting: set[asyncio.Task[Any]] = set()
        self._hand: asyncio.Task[None] | None = None

    def time(self) -> datetime:
        """The time on the clock."""
        return datetime.fromtimestamp(self.clock.now() // 1000 / 1e6, UTC)

    def signals(self, target: str | Flow[..., Any], signals: Signals) -> None:
        """Send these signals to a run (by its id) or to every run of a flow, each when the run waits for it."""
        self._script.add(target, signals)

    async def advance(self, by: timedelta) -> None:
        """Let this much time pass, and everything happen that happens within it, in order.

        Raises ValueError for a negative time: clocks do not go back.
        """
        if by < timedelta(0):
            raise ValueError(f"advance({by}): time does not go back")
        until = self.clock.now() + by // timedelta(microseconds=1) * 1000
        await self.settle()
        while (due := self.clock.next()) is not None and due <= until:
            self.clock.go_to(due)
            await self.settle()
        self.clock.go_to(until)
        await self.settle()

    async def settle(self, *, patience: float = PATIENCE) -> None:
        """Return when everything is at rest and scripted signals are sent; no time passes on the clock.

        What waits for the outside world is given `patience` real seconds.
        """
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            quiet = passes = polled = 0
            while quiet < QUIET:
                await asyncio.sleep(0 if passes < HURRY else 0.001)
                passes += 1
                late = asyncio.get_running_loop().time() > deadline
                moves, runs = rest.moves(self.node, self.clock), rest.runs(self.node)
                polled = polled + 1 if runs and not moves else 0
                polls = polled > POLLS
                at_rest = not moves and (polls or (not runs and (late or not rest.outside(self.node))))
                quiet = quiet + 1 if at_rest else 0
            if (due := await self._script.due(self.node)) is None:
                return
            await self.signal(*due)

    async def ended(self, num: int) -> RunRecord:
        """The run, when it has ended or stands still; time passes as fast as it can until then."""
        me = asyncio.current_task()
        assert me is not None
        self._waiting.add(me)
        if self._hand is None or self._hand.done():
            self._hand = asyncio.create_task(self._turn_the_clock(), name="headrace clock")
        end = asyncio.create_task(super().ended(num), name="headrace end")
        try:
            await asyncio.wait([end, self._hand], return_when=asyncio.FIRST_COMPLETED)
            if not end.done():
                self._hand.result()
            return await end
        finally:
            end.cancel()
            self._waiting.discard(me)
            if not self._waiting:
                self._stop_the_clock()

    async def _turn_the_clock(self) -> None:
        while True:
            await self.settle(patience=float("inf"))
            due = self.clock.next()
            if due is not None:
                self.clock.go_to(due)
            elif self._nobody_else():
                raise Stuck(await self._why_stuck())

    def _nobody_else(self) -> bool:
        """True when no other asyncio task could still send a signal: those there are wait for a result themselves."""
        for task in asyncio.all_tasks():
            ours = isinstance(task, ScopedTask) or task in self._waiting or task.get_name().startswith("headrace ")
            if not ours and not rest.hangs(task, self.node) and not rest.guards(task):
                return False
        return True

    async def _why_stuck(self) -> str:
        lines = ["nothing can move any more: every timer has rung and no signal is scripted"]
        for run in await self.store.unfinished():
            if names := await awaited(self.node, run):
                signals = " and ".join(f"the signal {name!r}" for name in names)
                script = ", ".join(f"{name!r}: [...]" for name in names)
                how = f"waits for {signals}, and nothing will send it; pass signals={{{script}}} or `await run.signal`"
            elif run.flow not in self.node.flows:
                how = f"is {run.state}: its flow is not in flows=[...] of this engine"
            else:
                how = f"is {run.state}"
            lines.append(f"  run {run.id} of {run.flow} {how}")
        return "\n".join(lines)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._stop_the_clock()
        await super().__aexit__(kind, error, stack)

    def _stop_the_clock(self) -> None:
        if self._hand is not None:
            self._hand.cancel()
            self._hand = None


def engine(
    *,
    flows: Iterable[Flow[..., Any]],
    signals: Signals = (),
    start: datetime = START,
    store: Store | None = None,
    blobs: Blobs | None = None,
    settings: NodeSettings = SETTINGS,
    linger: timedelta | None = None,
    telemetry: Telemetry | None = None,
) -> TestEngine:
    """An engine for one test: `async with testing.engine(flows=[bill]) as engine:`.

    flows      what it can run
    signals    payloads by name, sent to any run that waits for them: `{"approve": [{"by": "ann"}]}`
    start      the time on the clock at the beginning
    store      by default a new one in memory; give two engines the same one to test what a restart does
    settings   of the node; see NodeSettings
    linger     how long a waiting run stays in memory, in real time; `timedelta(0)` makes it leave at every wait, so
               that `finally` blocks run then and the run comes back by replay
    telemetry  where spans go; nowhere by default

    Belongs to the event loop it is entered on.
    """
    return TestEngine(
        flows=flows,
        signals=signals,
        clock=VirtualClock(start),
        store=store if store is not None else MemoryStore(),
        blobs=blobs if blobs is not None else MemoryBlobs(),
        settings=settings if linger is None else replace(settings, linger=linger),
        telemetry=telemetry if telemetry is not None else NullTelemetry(),
    )
