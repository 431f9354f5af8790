"""A slot: a place for one node after the other, each of which suffers what the script says."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos import script
from tests.chaos.a_node import Orders
from tests.chaos.arena import Arena
from tests.chaos.ledger import Ledger
from tests.chaos.processes import NodeProcess, Nursery
from tests.chaos.script import Fault
from tests.support.polling import happens
from tests.support.proxy import Proxy

PATIENCE: Final = 20.0
"""Seconds that a node may take to join, to stop, or to notice that it is dead."""

SLOW: Final = 1.2
"""Seconds after which a node that stops is asked what it waits for, and so is the server; what they say is kept."""

HAVING: Final = (b"EXECUTE", b"succeeded", b"task", b"started", b"")
"""What the message has in it after which a connection is cut: several statements, an end, a line, or anything."""

HOLD: Final = ("answer", "answer", "answer", "late", "request")


@dataclass
class Record:
    """What the driver did, and what it saw of the nodes. Times are monotonic nanoseconds."""

    counts: Counter[str] = field(default_factory=Counter[str])
    killed: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    stopped: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    outages: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    fenced_after: list[float] = field(default_factory=list[float])
    stopping: list[float] = field(default_factory=list[float])
    trouble: list[str] = field(default_factory=list[str])
    away_since: int = 0

    def server_was_away(self, since: int) -> bool:
        """Whether it was, at any time from then on."""
        return bool(self.away_since) or any(ended >= since for _, ended in self.outages[-3:])


class Slot:
    """`live` plays the script until `over` is set; `node` is who lives here now."""

    def __init__(
        self,
        number: int,
        faults: Iterator[Fault],
        *,
        arena: Arena,
        nursery: Nursery,
        folder: Path,
        record: Record,
        ledger: Ledger,
        over: asyncio.Event,
    ) -> None:
        self.number = number
        self.node: NodeProcess | None = None
        self._faults = faults
        self._arena = arena
        self._nursery = nursery
        self._record = record
        self._ledger = ledger
        self._over = over
        self._clock = folder / f"clock-{number}"
        self._set_clock(0)
        self._orders = Orders(
            url=arena.url(number),
            ledger=str(folder / "ledger"),
            clock=str(self._clock),
            slot=number,
            errors=str(folder / f"errors-{number}"),
        )
        self._later: set[asyncio.Task[None]] = set()

    async def live(self) -> None:
        """Suffer one fault after the other; returns between two of them."""
        for fault in self._faults:
            node = await self.inhabited()
            await self._until_over_or(node.died, fault.pause)
            if self._over.is_set():
                return
            if not node.died.is_set():
                await self._suffer(fault, node)
            self._bury(node)

    async def inhabited(self) -> NodeProcess:
        """The node that lives here; a new one when there is none."""
        while self.node is None or self.node.died.is_set():
            if self.node is not None:
                self._bury(self.node)
            self.node = await self._nursery.start(self._orders)
            await self._until_over_or(self.node.joined, PATIENCE, also=self.node.died, heed_over=False)
            if self.node.joined.is_set():
                self._record.counts[script.START] += 1
            elif not self.node.died.is_set():
                self._complain(self.node, f"has not joined within {PATIENCE} s")
                self.node.expected_to_die = True
                self.node.signal(signal.SIGKILL)
                await self.node.died.wait()
        return self.node

    async def settle(self) -> None:
        """Wait until the clock is set right."""
        await asyncio.gather(*self._later)
        self._set_clock(0)

    async def stop(self) -> None:
        """Let the node stop in good order."""
        if self.node is not None and not self.node.died.is_set():
            await self._stop(self.node)

    async def _suffer(self, fault: Fault, node: NodeProcess) -> None:
        match fault.kind:
            case script.KILL:
                node.expected_to_die = True
                self._record.killed.append((node.id, node.signal(signal.SIGKILL)))
                await node.died.wait()
            case script.FREEZE:
                await self._freeze(node, fault)
            case script.STOP:
                self._record.stopped.append((node.id, time.monotonic_ns()))
                await self._stop(node)
            case script.CUT:
                proxy = self._arena.proxy(self.number)
                assert proxy is not None
                if not await cut(proxy, fault):
                    return
            case _:
                self._set_clock(script.jump(fault))
                self._do_later(0.3 + 5 * fault.lasting, lambda: self._set_clock(0))
        self._record.counts[fault.kind] += 1
        self._ledger.note("fault", kind=fault.kind, slot=self.number, node=node.id)

    async def _freeze(self, node: NodeProcess, fault: Fault) -> None:
        began = node.signal(signal.SIGSTOP)
        node.expected_to_die = True  # it is dead to the others, and must find out
        await asyncio.sleep(self._arena.lease * (1.15 + fault.lasting))
        thawed = node.signal(signal.SIGCONT)
        node.frozen.append((began, thawed))
        try:
            async with asyncio.timeout(3.0):
                await node.died.wait()
            self._record.fenced_after.append((node.ended - thawed) / 1e9)
        except TimeoutError:
            node.expected_to_die = False  # nobody was there to declare it dead, or there is no lease: it goes on

    async def _stop(self, node: NodeProcess) -> None:
        asked = node.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(SLOW):
                await node.died.wait()
        except TimeoutError:
            node.signal(signal.SIGUSR1)
            Path(f"{self._orders.errors}.server").write_text(await self._arena.activity())
        try:
            async with asyncio.timeout(PATIENCE):
                await node.died.wait()
        except TimeoutError:
            self._complain(node, f"has not stopped within {PATIENCE} s")
            node.expected_to_die = True
            node.signal(signal.SIGKILL)
            await node.died.wait()
            return
        self._record.stopping.append((node.ended - asked) / 1e9)
        node.expected_to_die = node.expected_to_die or node.code == 0
        if node.code == -signal.SIGUSR1:
            node.expected_to_die = True  # it had nothing left but to end when it was asked
        elif node.code:
            self._complain(node, f"was asked to stop and ended with code {node.code}")
            node.expected_to_die = True

    def _bury(self, node: NodeProcess) -> None:
        if not node.died.is_set() or node.expected_to_die:
            return
        node.expected_to_die = True
        if not node.joined.is_set() and self._record.server_was_away(node.born):
            return  # it says so and ends: whoever starts it does so again
        self._complain(node, f"ended by itself with code {node.code}")

    def _complain(self, node: NodeProcess, what: str) -> None:
        self._record.trouble.append(f"at {time.monotonic_ns()}: node {node.id} in slot {node.slot} {what}")

    async def _until_over_or(
        self, event: asyncio.Event, seconds: float, *, also: asyncio.Event | None = None, heed_over: bool = True
    ) -> None:
        events = [event, *([also] if also else []), *([self._over] if heed_over else [])]
        waiting = [asyncio.ensure_future(one.wait()) for one in events]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()

    def _do_later(self, seconds: float, what: Callable[[], None]) -> None:
        async def do() -> None:
            await asyncio.sleep(seconds)
            what()

        task = asyncio.ensure_future(do())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _set_clock(self, ahead: int) -> None:
        with self._clock.open("r+b" if self._clock.exists() else "w+b") as file:
            file.write(ahead.to_bytes(8, "little", signed=True))


async def cut(proxy: Proxy, fault: Fault) -> bool:
    """Cut a connection at its next message of a kind; False when there was none in time."""
    before = proxy.cuts
    proxy.having = HAVING[fault.detail % len(HAVING)]
    hold = HOLD[fault.detail // 8 % len(HOLD)]
    proxy.cut = "late" if hold == "late" else "request" if hold == "request" else "answer"
    happened, proxy.cut = await happens(lambda: proxy.cuts > before, 2.0, every=0.01), None
    if hold == "late":
        await asyncio.sleep(2 * fault.lasting)
        await proxy.release()
    return happened
