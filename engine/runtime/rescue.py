"""Rescue: a node says that it lives, queues the runs of nodes that died, and leaves to others what is for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from engine.model.change import Released
from engine.model.errors import Fenced, StoreBusy, StoreFull
from engine.model.run import ENDED, NodeRecord
from engine.ports.blobs import ONE_PLACE
from engine.runtime.hosting import Hosting
from engine.runtime.service import bear_with

_log = logging.getLogger("headrace.node")


class Rescue:
    """A service of a node."""

    def __init__(self, node: Hosting) -> None:
        self._node = node
        self._told: set[str] = set()
        self._seen: Sequence[NodeRecord] = ()

    async def run(self, ready: Callable[[], None]) -> None:
        """Look after the others until cancelled. Raises Fenced when they have declared this node dead, StoreError."""
        node, started = self._node, False
        while True:
            await node.store.beat(node.id)
            await self.look_at_nodes()
            self._let_go()
            try:
                rescued = await node.store.rescue(crash_limit=node.settings.crash_limit, now=node.clock.now())
            except (StoreBusy, StoreFull) as error:
                await bear_with(error, node.settings.rescue_every)
                continue
            for record in rescued:
                _log.warning("run %s of %s lost its node; it is %s", record.id, record.flow, record.state.value)
                if record.state in ENDED:
                    node.run_ended(record)
                node.wake.set()
            if not started:
                started = True
                ready()
            await asyncio.sleep(node.settings.rescue_every.total_seconds())

    async def look_at_nodes(self) -> None:
        """Which versions of its flows others have, whose runs are left to them, and where they keep large results."""
        nodes = await self._node.store.nodes()
        if nodes == self._seen:  # as nearly always
            return
        self._seen = nodes
        others = [node for node in nodes if node.id != self._node.id]
        if self._node.duty.leave_to(others):
            self._node.wake.set()
        for me in nodes:
            if me.id == self._node.id:
                self._warn_of([other for other in others if other.alive and me.may_miss(other)], me.blobs)

    def _warn_of(self, apart: Sequence[NodeRecord], place: str) -> None:
        told = "node %s on %s keeps large results in %s, this one in %s: each may miss those of the other. %s"
        for other in apart:
            if other.id not in self._told:
                _log.warning(told, other.id, other.host, other.blobs, place, ONE_PLACE)
        self._told = {other.id for other in apart}

    def _let_go(self) -> None:
        """Release the runs that were held back, now that the store may be able to write for them."""
        now = asyncio.get_running_loop().time()
        for num, (epoch, until) in self._node.stays.stranded.items():
            if num not in self._node.stays and until <= now:
                self._node.commit.change(Released(num), epoch, partial(self._gone, num))

    def _gone(self, num: int, error: Exception | None) -> None:
        if error is None or isinstance(error, Fenced):
            self._node.stays.stranded.pop(num, None)
            self._node.wake.set()
