"""The system's clock, as the engine's port wants it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LONGEST_TIMER = 3600.0
"""Seconds. Longer waits are cut into pieces, so that a wall clock that was set is noticed within the hour."""


class SystemClock:
    """Wall-clock time. Must be used on a running loop."""

    now = staticmethod(time.time_ns)

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        """Call back once `now() >= when`."""
        return Timer(self, when, callback)


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
