"""Waiting for pool slots: in line within this process, by asking again across processes."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import Final

from engine.model.limits import Pool
from engine.ports.pools import Pools

ASK_AGAIN: Final = 0.05
"""Seconds between two looks at a pool that others may hold. Its users take longer than that, or need no pool."""


class Slots:
    """The line in front of each pool, for one node. First come, first served, within the node."""

    def __init__(self, pools: Pools, node: str) -> None:
        self._pools = pools
        self._node = node
        self._lines: defaultdict[str, deque[asyncio.Event]] = defaultdict(deque)

    async def acquire(self, pool: Pool, run: int, key: str) -> None:
        """Wait for a slot. Cancelling gives up the place in the line."""
        line = self._lines[pool.name]
        if not line and await self._take(pool, run, key):
            return
        turn = asyncio.Event()
        line.append(turn)
        try:
            while True:
                if line[0] is turn and await self._take(pool, run, key):
                    return
                turn.clear()
                try:
                    async with asyncio.timeout(ASK_AGAIN):
                        await turn.wait()
                except TimeoutError:
                    continue
        finally:
            line.remove(turn)
            self._call_next(pool.name)

    async def release(self, pool: Pool, run: int, key: str) -> None:
        """Give a slot back."""
        await self._pools.release(pool.name, run=run, key=key)
        self._call_next(pool.name)

    async def _take(self, pool: Pool, run: int, key: str) -> bool:
        return await self._pools.acquire(pool.name, pool.slots, node=self._node, run=run, key=key)

    def _call_next(self, name: str) -> None:
        line = self._lines.get(name)
        if line:
            line[0].set()
