"""Waiting for pool slots: in line within this process, by asking again across processes."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final

from engine.model.errors import Fenced, StoreError
from engine.model.limits import Pool
from engine.ports.pools import Pools
from engine.runtime.futures import finished, outwait

_log = logging.getLogger("headrace.node")

ASK_AGAIN: Final = 0.05
"""Seconds between two looks at a pool that others may hold. Its users take longer than that, or need no pool."""

GIVE_BACK_AGAIN: Final = 0.5
"""Seconds between two attempts to give a slot back to a store that fails. A slot that is kept is missing everywhere."""


class Slots:
    """The line in front of each pool, for one node. First come, first served, within the node."""

    def __init__(self, pools: Pools, node: str, freed: Callable[[str], object]) -> None:
        """`freed`: told the name of a pool when one of its slots has gone back."""
        self._pools = pools
        self._node = node
        self._freed = freed
        self._lines: defaultdict[str, deque[asyncio.Event]] = defaultdict(deque)
        self._returning: dict[tuple[str, int, str], asyncio.Event] = {}

    async def acquire(self, pool: Pool, run: int, key: str) -> None:
        """Wait for a slot. Cancelling gives up the place in the line."""
        while (returned := self._returning.get((pool.name, run, key))) is not None:
            await returned.wait()  # else the slot of this attempt would go back with that of the one before
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
                again = asyncio.get_running_loop().call_later(ASK_AGAIN, turn.set)
                try:
                    await turn.wait()
                finally:
                    again.cancel()
        finally:
            line.remove(turn)
            self._call_next(pool.name)

    def release(self, pool: Pool, run: int, key: str) -> Coroutine[Any, Any, None]:
        """Give a slot back, however long that takes. From the call on, the same holder waits with asking again."""
        if (under_way := self._returning.get((pool.name, run, key))) is not None:
            return _until(under_way)  # it has not been taken since: asking waits for this
        returned = self._returning[pool.name, run, key] = asyncio.Event()
        return self._give_back(pool.name, run, key, returned)

    async def _give_back(self, pool: str, run: int, key: str, returned: asyncio.Event) -> None:
        try:
            while True:
                try:
                    await self._pools.release(pool, run=run, key=key)
                    return
                except Fenced:
                    return  # it went with everything else that this node had
                except StoreError as error:
                    _log.warning("a slot of pool %s could not be given back, trying again: %s", pool, error)
                await asyncio.sleep(GIVE_BACK_AGAIN)
        finally:
            self._returning.pop((pool, run, key), None)
            returned.set()
            self._call_next(pool)
            self._freed(pool)

    async def _take(self, pool: Pool, run: int, key: str) -> bool:
        """Ask the store. Cancelled meanwhile, it waits for the answer.

        A run that is let go may have another owner at once, who asks for the same slot: granted after that, this
        request would take it from him.
        """
        asking = asyncio.get_running_loop().create_task(
            self._pools.acquire(pool.name, pool.slots, node=self._node, run=run, key=key),
            name=f"headrace slot of {pool.name}",
            context=Context(),
        )
        try:
            await finished(asking)
        except asyncio.CancelledError:
            await outwait(asking)
            if not asking.cancelled():
                asking.exception()  # nobody's concern any more
            raise
        return asking.result()

    def _call_next(self, name: str) -> None:
        line = self._lines.get(name)
        if line:
            line[0].set()


async def _until(event: asyncio.Event) -> None:
    await event.wait()
