"""Why a run that has not ended does not go on: by its row, the nodes, the pools, its journal and its children."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.cli.digest import Wait, open_of, waits_of
from engine.cli.wanting import missing, takers
from engine.model.entry import STARTED, Entry
from engine.model.run import ENDED, NodeRecord, RunRecord, RunState
from engine.ports.store import Store

LINES: Final = 50
"""Of each journal in a list of runs, the last so many are looked at: what a run waits for was written last, mostly."""

EXPLAINED: Final = 500
"""Runs of a list whose journals and children are looked at: more than anybody reads, and some 25,000 lines."""

AT_ONCE: Final = 2 * 10**9
"""Nanoseconds after which a run that could go, and is not taken, waits for room."""


@dataclass(frozen=True)
class View:
    """What is known of some runs and of those they depend on. Children are those that have not ended."""

    now: int
    nodes: Sequence[NodeRecord]
    held: Mapping[str, int]
    journals: Mapping[int, Sequence[Entry]] = field(default_factory=dict[int, Sequence[Entry]])
    children: Mapping[int, Sequence[RunRecord]] = field(default_factory=dict[int, Sequence[RunRecord]])

    def waits(self, run: RunRecord) -> list[Wait]:
        """What the run itself waits for, though some of it may work; nothing when it has ended or stands still."""
        match run.state:
            case RunState.RUNNING:
                return self._owner(run) or self._inside(run)
            case RunState.QUEUED if run.held:
                return [Wait(run.id, "lane", run.lane or "", None)]
            case RunState.QUEUED if run.wake_at is not None and run.wake_at > self.now:
                return [Wait(run.id, "start", "", run.wake_at)]
            case RunState.QUEUED:
                return self._node(run)
            case RunState.WAITING if run.wake_at is not None and run.wake_at <= self.now:
                return self._node(run)
            case RunState.WAITING:
                return self._inside(run)
            case _:
                return []

    def works(self, run: RunRecord) -> bool:
        """Whether an attempt of it is under way."""
        lines = self.journals.get(run.num, ())
        return run.state is RunState.RUNNING and any(line.kind == STARTED for line in open_of(lines))

    def _owner(self, run: RunRecord) -> list[Wait]:
        """The end of a node that does not carry it on any more."""
        owner = next((node for node in self.nodes if node.id == run.owner), None)
        if owner is None:
            return []
        if not owner.alive:
            return [Wait(run.id, "dead node", owner.id, None)]
        return [Wait(run.id, "lease", owner.id, self.now + int(owner.lasts * 1e9))] if owner.unheard else []

    def _node(self, run: RunRecord) -> list[Wait]:
        """Who could take it, and does not."""
        lacking = missing(run, self.nodes)
        if lacking is not None:
            return [Wait(run.id, "node", lacking, None)]
        pools = [dict(node.pools).get(run.flow) for node in takers(run, self.nodes)]
        full = [pool for pool in pools if pool is not None and self.held.get(pool.name, 0) >= pool.slots]
        if full and len(full) == len(pools):
            return [Wait(run.id, "pool", full[0].name, None)]
        since = max(run.created, run.wake_at or 0)
        return [Wait(run.id, "room", "", None)] if self.now - since > AT_ONCE else []

    def _inside(self, run: RunRecord) -> list[Wait]:
        """What its code waits for."""
        lines = self.journals.get(run.num, ())
        waits = [wait for wait in waits_of(run.id, lines) if wait.until is None or wait.until > self.now]
        return waits + [Wait(run.id, "child", child.id, None) for child in self.children.get(run.num, ())]


async def look(store: Store, runs: Sequence[RunRecord]) -> View:
    """A view of a list of runs, by as many queries for many as for one."""
    begun = (RunState.RUNNING, RunState.WAITING)
    nums = [run.num for run in runs if run.state in begun][:EXPLAINED]
    journals: defaultdict[int, list[Entry]] = defaultdict(list)
    children: defaultdict[int, list[RunRecord]] = defaultdict(list)
    if nums:
        for line in await store.last_lines(nums, each=LINES):
            journals[line.run].append(line)
        for child in await store.open_children(nums, each=LINES):
            children[child.parent or 0].append(child)
    if all(run.state in ENDED for run in runs):
        return View(time.time_ns(), await store.nodes(), {})
    return View(time.time_ns(), await store.nodes(), await _held(store), journals, children)


async def waits(store: Store, record: RunRecord) -> list[Wait]:
    """What a run waits for, by its whole journal, and what each child waits for that it waits for."""
    nodes, held = await store.nodes(), await _held(store)

    async def of(run: RunRecord) -> list[Wait]:
        children = [child for child in await store.children(run.num) if child.state not in ENDED]
        view = View(time.time_ns(), nodes, held, {run.num: await store.read(run.num)}, {run.num: children})
        below = {child.id: child for child in children}
        found: list[Wait] = []
        for wait in view.waits(run):
            found.append(wait)
            if wait.kind == "child":
                found += await of(below[wait.name])
        return found

    return await of(record)


async def _held(store: Store) -> Mapping[str, int]:
    return Counter(pool for pool, *_ in await store.holders())
