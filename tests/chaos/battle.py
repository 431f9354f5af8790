"""A battle: nodes, a workload and faults on one store for so many seconds; then peace, and what is to be judged."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.client import Client
from engine.ports.telemetry import WHOLE
from engine.stores.blobs import ObjectBlobs
from tests.chaos import flows, script
from tests.chaos.arena import Arena
from tests.chaos.checker import by_the_dead, check
from tests.chaos.evidence import Evidence, Finding
from tests.chaos.history import History
from tests.chaos.latency import Circumstances, Latencies, latencies
from tests.chaos.ledger import Ledger, Line, Tail
from tests.chaos.processes import Nursery
from tests.chaos.sight import ENDED, Window
from tests.chaos.slots import Record, Slot, cut
from tests.chaos.traces import Traces
from tests.chaos.workload import Workload
from tests.support.otlp import Receiver
from tests.support.polling import happens

PEACE: Final = 60.0
"""Seconds in which every run must have ended once nobody is hurt any more, and four leases besides."""

GIVEN_BACK: Final = 3.0
"""Seconds within which the last slots are given back. Nodes that stop give back all they have, leaked or not."""

SENT: Final = 5.0
"""Seconds within which the last node has sent what spans the dead kept."""

STARVED: Final = 200_000_000
"""Nanoseconds in which this process was not run although it wanted to: others on this machine were not either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do. The same plan has the same faults, runs and signals in the same order.

    `pace` and `server_every` are the mean pauses before faults of a node and of the server, in seconds. It goes on
    for `seconds`, and up to four times as long where a slow machine has not had so many faults `at_least`.
    """

    seed: int
    seconds: float
    slots: int = 4
    in_hand: int = 24
    weights: dict[str, int] = field(default_factory=lambda: dict(script.NODE_FAULTS))
    server_weights: dict[str, int] = field(default_factory=lambda: dict(script.SERVER_FAULTS))
    pace: float = 0.85
    server_every: float = 5.0
    at_least: dict[str, int] = field(default_factory=dict[str, int])
    client_cuts: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, and what was found. `trouble` is what the driver saw of processes, and errors they logged."""

    counts: Counter[str]
    runs: int
    lines: int
    effects: int
    spans: int
    takeover: Latencies
    handover: Latencies
    by_the_dead: int
    fenced_after: list[float]
    stopping: list[float]
    findings: list[Finding]


async def fight(plan: Plan, arena: Arena, folder: Path) -> Outcome:
    """Fight one battle in an empty folder."""
    return await _Battle(plan, arena, folder).fight()


class _Battle:
    def __init__(self, plan: Plan, arena: Arena, folder: Path) -> None:
        self._plan = plan
        self._arena = arena
        self._folder = folder
        self._over = asyncio.Event()
        self._record = Record()
        self._history = History()
        self._traces = Traces()
        self._tail = Tail(folder / "ledger")
        self._ledger = Ledger(folder / "ledger")
        self._ended: set[str] = set()
        self._held: list[tuple[Any, ...]] = []
        self._starved: list[tuple[int, int]] = []

    async def fight(self) -> Outcome:
        async with AsyncExitStack() as stack:
            stack.callback(self._tail.close)
            stack.callback(self._ledger.close)
            receiver = stack.enter_context(Receiver())
            receiver.on_arrival = self._traces.take
            await self._arena.open()
            stack.push_async_callback(self._arena.close)
            blobs = f"file://{self._folder / 'blobs'}"
            self._nursery = Nursery(self._folder, receiver.environment | {"HEADRACE_BLOBS": blobs})
            await self._nursery.open()
            stack.push_async_callback(self._nursery.close)
            window = self._arena.window()
            stack.push_async_callback(window.close)
            store = self._arena.store()
            await store.open()
            stack.push_async_callback(store.close)
            client = Client(store, ObjectBlobs(blobs))
            watching = asyncio.ensure_future(self._history.watch(window, lambda: self._note(receiver)))
            work = Workload(client, self._plan.seed, self._plan.in_hand, self._ended.__contains__)
            fighting = asyncio.ensure_future(self._all_of_it(work, window))
            await asyncio.wait([fighting, watching], return_when=asyncio.FIRST_COMPLETED)
            for task in (fighting, watching):
                task.cancel()
            await asyncio.wait([fighting, watching])
            if not watching.cancelled():
                watching.result()
            await fighting
            results = await self._results(client, work)
            await self._history.finish(window, time.monotonic_ns)
            self._tail.read()
            receiver.stop()
            return self._judge(work, results)

    async def _all_of_it(self, work: Workload, window: Window) -> None:
        slots = await self._war(work)
        await self._peace(work, slots, window)

    async def _war(self, work: Workload) -> list[Slot]:
        plan = self._plan
        slots = [
            Slot(
                number,
                script.for_node(plan.seed, number, plan.weights, plan.pace),
                arena=self._arena,
                nursery=self._nursery,
                folder=self._folder,
                record=self._record,
                ledger=self._ledger,
                over=self._over,
            )
            for number in range(plan.slots)
        ]
        await asyncio.gather(*(slot.inhabited() for slot in slots))
        working = asyncio.ensure_future(work.run())
        suffering = [asyncio.ensure_future(slot.live()) for slot in slots]
        if plan.server_weights:
            suffering.append(asyncio.ensure_future(self._trouble_server()))
        if plan.client_cuts and self._arena.proxy(-1) is not None:
            suffering.append(asyncio.ensure_future(self._trouble_client()))
        lasting = asyncio.ensure_future(self._last())
        feeling = asyncio.ensure_future(self._feel_hunger())
        broken, _ = await asyncio.wait([working, lasting, *suffering], return_when=asyncio.FIRST_COMPLETED)
        self._over.set()
        for task in (lasting, working, feeling):
            task.cancel()
        await asyncio.wait([lasting, working, feeling])
        await asyncio.gather(*suffering)
        if working in broken:
            working.result()
        return slots

    async def _peace(self, work: Workload, slots: list[Slot], window: Window) -> None:
        """Everybody lives, and every run ends; then all stop, and a last node sends what spans the dead kept."""
        peace = PEACE + 4 * self._arena.lease
        began = time.monotonic()
        await asyncio.gather(*(slot.settle() for slot in slots))
        await asyncio.gather(*(slot.inhabited() for slot in slots))
        await asyncio.wait([asyncio.ensure_future(work.finish())], timeout=peace)
        left = began + peace - time.monotonic()
        await happens(lambda: not (self._history.unfinished or work.open), left, every=0.05)

        async def given_back() -> bool:
            self._held = await window.rows("SELECT pool, run, key, node FROM slot")
            return not self._held

        async def all_sent() -> bool:
            return not await window.rows(f"SELECT num FROM run WHERE ended IS NOT NULL AND exported < {WHOLE}")

        await happens(given_back, GIVEN_BACK, every=0.1)
        await asyncio.gather(*(slot.stop() for slot in slots))
        last = slots[0]
        await last.inhabited()
        await happens(all_sent, SENT, every=0.1)
        await last.stop()

    async def _last(self) -> None:
        plan, counts = self._plan, self._record.counts
        await asyncio.sleep(plan.seconds)
        enough = plan.at_least.items()
        await happens(lambda: all(counts[kind] >= few for kind, few in enough), 3 * plan.seconds, every=0.1)

    async def _feel_hunger(self) -> None:
        while True:
            began = time.monotonic_ns()
            await asyncio.sleep(0.02)
            if (now := time.monotonic_ns()) - began > STARVED:
                self._starved.append((began, now))

    async def _trouble_server(self) -> None:
        plan = self._plan
        for fault in script.for_server(plan.seed, plan.server_weights, plan.server_every):
            await self._rest(fault.pause)
            if self._over.is_set():
                return
            began = self._record.away_since = time.monotonic_ns()
            await self._arena.restart("fast" if fault.kind == script.FAST else "immediate", fault.lasting * 0.3)
            self._record.outages.append((began, time.monotonic_ns()))
            self._record.away_since = 0
            self._ledger.note("fault", kind=fault.kind, began=began)
            self._record.counts[fault.kind] += 1

    async def _trouble_client(self) -> None:
        proxy = self._arena.proxy(-1)
        assert proxy is not None
        for fault in script.for_client(self._plan.seed):
            await self._rest(fault.pause)
            if self._over.is_set():
                return
            if await cut(proxy, fault):
                self._record.counts[script.CUT] += 1

    async def _rest(self, seconds: float) -> None:
        waiting = asyncio.ensure_future(self._over.wait())
        await asyncio.wait([waiting], timeout=seconds)
        waiting.cancel()

    def _note(self, receiver: Receiver) -> None:
        """After each look: who has joined, and what has ended."""
        receiver.spans.clear()  # they are kept in a smaller form
        for line in self._tail.read():
            if line.what == "joined":
                node = self._nursery.nodes[line.pid]
                node.id = line.node
                node.joined_at = line.at
                node.joined.set()
        for num in self._history.ended:
            self._ended.add(self._history.runs[num].id)

    async def _results(self, client: Client, work: Workload) -> dict[str, tuple[str, Any]]:
        found: dict[str, tuple[str, Any]] = {}
        for id in work.asked:
            record = await client.store.find(id)
            if record is None:
                continue
            data = record.result if record.state == "succeeded" else record.error
            if record.result_blob is not None:
                data = await client.blobs.get(record.result_blob)
            value = json.loads(data) if data else None
            if record.state not in ENDED or record.state == "failed":
                value = {"type": value["type"], "message": value["message"]} if value else None
            found[id] = (record.state.value, value)
        return found

    def _judge(self, work: Workload, results: dict[str, tuple[str, Any]]) -> Outcome:
        ledger, record = sorted(self._tail.lines, key=_at), self._record
        nodes = self._nursery.nodes
        evidence = Evidence(
            ledger=ledger,
            history=self._history,
            asked=work.asked,
            results=results,
            slots_held=self._held,
            pools={pool.name: pool.slots for pool in (flows.LANES, flows.DESKS)},
            frozen={pid: node.frozen for pid, node in nodes.items()},
            died={pid: node.ended for pid, node in nodes.items() if node.ended},
            broken_traces=self._traces.wrong(self._history),
            differing_spans=self._traces.differing,
            skipped=work.skipped,
            rates={flows.CALLS.name: flows.CALLS},
            desks={flow.name: flow.options.pool for flow in flows.FLOWS if flow.options.pool},
            singletons={flow.name: flow.options.singleton for flow in flows.FLOWS if flow.options.singleton},
        )
        findings = check(evidence)
        findings += [Finding("nodes end when they are told to, and only then", what) for what in record.trouble]
        circumstances = Circumstances(
            outages=record.outages,
            starved=self._starved,
            awake={node.id: node.awake for node in nodes.values() if node.id},
            lease=self._arena.lease,
        )
        heard = (ledger, self._history, circumstances)
        return Outcome(
            counts=record.counts,
            runs=len(self._history.runs),
            lines=len(self._history.lines),
            effects=sum(line.what == "begin" for line in ledger),
            spans=sum(map(len, self._traces.spans.values())),
            takeover=latencies(record.killed, *heard, killed=True),
            handover=latencies(record.stopped, *heard, killed=False),
            by_the_dead=by_the_dead(evidence),
            fenced_after=record.fenced_after,
            stopping=record.stopping,
            findings=findings,
        )


def _at(line: Line) -> int:
    return line.at
