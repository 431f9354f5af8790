"""Rescue: a node says that it lives, queues the runs of nodes that died, and leaves to others what is for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from engine.model.change import Released
from engine.model.errors import Fenced, StoreBusy, StoreFull
from engine.model.run import ENDED
from engine.runtime.hosting import Hosting
from engine.runtime.service import bear_with

_log = logging.getLogger("headrace.node")


class Rescue:
    """A service of a node."""

    def __init__(self, node: Hosting) -> None:
        self._node = node

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
        """Which versions of its flows others have: runs of those are left to them."""
        if self._node.duty.leave_to([node for node in await self._node.store.nodes() if node.id != self._node.id]):
            self._node.wake.set()

    def _let_go(self) -> None:
        """Release the runs that the store could not write for, now that it may be able to."""
        for num, epoch in self._node.stays.stranded.items():
            if num not in self._node.stays:
                self._node.commit.change(Released(num), epoch, partial(self._gone, num))

    def _gone(self, num: int, error: Exception | None) -> None:
        if error is None or isinstance(error, Fenced):
            self._node.stays.stranded.pop(num, None)
            self._node.wake.set()
