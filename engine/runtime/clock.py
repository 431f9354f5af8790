"""The clock of a node: this machine's, or the store's, so that nodes on several machines agree on what is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from engine.ports.nodes import Nodes

LONGEST_TIMER: Final = 3600.0
"""Seconds. Longer waits are cut into pieces, so that a wall clock that was set is noticed within the hour."""

ASK_EVERY: Final = 5.0
"""Seconds. Quartz drifts by some 0.1 ms in that time; a machine that slept is right again soon after."""

EXACT: Final = 50_000_000
"""Nanoseconds. An answer that took longer says too little about when it was given, unless there is no other."""


class SystemClock:
    """Wall-clock time, where the store has no time of its own. Must be used on a running loop."""

    now = staticmethod(time.time_ns)

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        """Call back once `now() >= when`."""
        return Timer(self, when, callback)

    async def agreed(self, store: Nodes) -> SystemClock:
        """The clock that nodes of this store go by. Raises StoreError."""
        shared = SharedClock(store)
        return shared if await shared.set() else self


class SharedClock(SystemClock):
    """The time of the store, carried on by the monotonic clock.

    Whoever sets this machine's wall clock changes nothing: only the store's server is asked for the time.
    """

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
        """Ask again and again, as a service of the node. Raises StoreError."""
        ready()
        while True:
            await asyncio.sleep(ASK_EVERY)
            await self.set()


class Timer:
    """One pending wake-up."""

    __slots__ = ("_callback", "_clock", "_handle", "_when")

    def __init__(self, clock: SystemClock, when: int, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._when = when
        self._callback = callback
        self._arm()

    def _arm(self) -> None:
        left = max(0.0, (self._when - self._clock.now()) / 1e9)
        self._handle = asyncio.get_running_loop().call_later(min(left, LONGEST_TIMER), self._ring)

    def _ring(self) -> None:
        if self._clock.now() >= self._when:
            self._callback()
        else:
            self._arm()  # the loop's clock and the wall clock drift apart, and a wall clock can be set back

    def cancel(self) -> None:
        """Call it off."""
        self._handle.cancel()
