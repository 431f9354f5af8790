"""Nodes and pool slots in memory. A node lives until it leaves, or until a test says that it died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.model.entry import BEGINNINGS
from engine.model.errors import StoreError
from engine.model.run import NodeRecord, RunRecord, RunState
from engine.stores.crash_loop import crash_loop
from engine.stores.memory.tables import Tables


class MemoryNodes(Tables):
    """Satisfies `ports.nodes.Nodes` and `ports.pools.Pools`."""

    doubts: Callable[[], bool] | None = None

    async def join(self, node: NodeRecord) -> None:
        if node.id in self._nodes:
            raise StoreError(f"a node {node.id} has joined this store already: give this one another id")
        self._nodes[node.id] = replace(node, alive=True)

    async def leave(self, node: str) -> None:
        for run in self._owned(node):
            self._queue(run.num, epoch=run.epoch + 1)
        self._forget(node)

    async def beat(self, node: str) -> None:
        self._joined(node)

    def lose(self, node: str) -> None:
        """Declare that a node's process died: what the operating system does for the other stores."""
        self._nodes[node] = replace(self._nodes[node], alive=False)

    async def time(self) -> int | None:
        return None

    async def rescue(self, *, crash_limit: int, now: int) -> Sequence[RunRecord]:
        rescued: list[RunRecord] = []
        for node in [node.id for node in self._nodes.values() if not node.alive]:
            rescued += [self._rescue(run, crash_limit, now) for run in self._owned(node)]
            self._forget(node)
        return rescued

    async def nodes(self) -> Sequence[NodeRecord]:
        return sorted(self._nodes.values(), key=lambda node: (node.started, node.id))

    async def acquire(self, pool: str, slots: int, *, node: str, run: int, key: str) -> bool:
        self._joined(node)
        if self._held_slots(pool) - ((pool, run, key) in self._slots) >= slots:
            return False
        self._slots[pool, run, key] = node
        return True

    async def release(self, pool: str, *, run: int, key: str) -> None:
        self._slots.pop((pool, run, key), None)

    async def holders(self) -> Sequence[tuple[str, int, str, str]]:
        runs = [
            (row.pool, row.record.num, "", row.record.owner)
            for row in self._rows.values()
            if row.pool is not None and row.record.owner is not None
        ]
        return sorted([*runs, *((*slot, node) for slot, node in self._slots.items())])

    def _owned(self, node: str) -> list[RunRecord]:
        return [run for run in self._records() if run.state is RunState.RUNNING and run.owner == node]

    def _forget(self, node: str) -> None:
        self._slots = {slot: holder for slot, holder in self._slots.items() if holder != node}
        self._nodes.pop(node, None)

    def _rescue(self, run: RunRecord, crash_limit: int, now: int) -> RunRecord:
        row = self._rows[run.num]
        progress = max((e.seq for e in self._entries[run.num].values() if e.kind not in BEGINNINGS), default=-1)
        crashes = 1 if progress > row.crash_seq else run.crashes + 1
        row.crash_seq = progress
        if crashes < crash_limit:
            return self._queue(run.num, epoch=run.epoch + 1, crashes=crashes)
        error = crash_loop(run.id, run.flow, crashes)
        return self._end(run.num, RunState.FAILED, now, epoch=run.epoch + 1, crashes=crashes, error=error)
