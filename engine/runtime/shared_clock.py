"""The shared clock: the time of the store, carried on by the monotonic clock, so that nodes agree on what is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from engine.ports.nodes import Nodes
from engine.runtime.clock import SystemClock

ASK_EVERY: Final = 5.0
"""Seconds. Quartz drifts by some 0.1 ms in that time; a machine that slept is right again soon after."""

EXACT: Final = 50_000_000
"""Nanoseconds. An answer that took longer says too little about when it was given, unless there is no other."""


class SharedClock(SystemClock):
    """Whoever sets this machine's wall clock changes nothing: only the store's server is asked for the time."""

    def __init__(self, store: Nodes) -> None:
        self._store = store
        self._ahead: int | None = None

    def now(self) -> int:
        assert self._ahead is not None
        return time.monotonic_ns() + self._ahead

    async def set(self) -> bool:
        """Ask for the time. False: this store has none of its own. Raises StoreError."""
        asked = time.monotonic_ns()
        told = await self._store.time()
        if told is None:
            return False
        took = time.monotonic_ns() - asked
        ahead = told - asked - took // 2
        if self._ahead is None or (took < EXACT and abs(ahead - self._ahead) > took // 2):
            self._ahead = ahead
        return True

    async def keep(self, ready: Callable[[], None]) -> None:
        """Ask again and again, as a service."""
        ready()
        while True:
            await asyncio.sleep(ASK_EVERY)
            await self.set()
