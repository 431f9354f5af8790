"""A clock that stands still until it is told to go on, so that a day in a test takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from typing import Final

from engine.ports.nodes import Nodes

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When a test begins, unless it says otherwise: a time that is the same in every run of the test."""


class VirtualClock:
    """Satisfies `ports.clock.Clock`. Belongs to one event loop; only `go_to` makes time pass.

    Raises ValueError when it is to start at a time without a zone.
    """

    def __init__(self, start: datetime = START) -> None:
        if start.tzinfo is None:
            raise ValueError(f"VirtualClock({start!r}): the time needs a time zone, for example timezone.utc")
        self._now = nanoseconds(start)
        self._timers: list[tuple[int, int, Timer]] = []
        self._numbers = count()
        self._ringing = 0

    def now(self) -> int:
        """The time, in nanoseconds since the epoch."""
        return self._now

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        """Call back on the loop once `now() >= when`; timers of one moment ring in the order they were set."""
        timer = Timer(callback)
        if when <= self._now:
            self._ring(timer)
        else:
            heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    async def agreed(self, store: Nodes) -> VirtualClock:
        """Itself: a test's time is nobody else's."""
        return self

    @property
    def ringing(self) -> bool:
        """True while callbacks that are due have not been called yet."""
        return self._ringing > 0

    def next(self) -> int | None:
        """When the next timer rings; None when there is none."""
        while self._timers and self._timers[0][2].cancelled:
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def go_to(self, when: int) -> None:
        """Let time pass until `when`, and ring what is due by then. Time never goes back."""
        self._now = max(self._now, when)
        while (due := self.next()) is not None and due <= self._now:
            self._ring(heappop(self._timers)[2])

    def _ring(self, timer: Timer) -> None:
        self._ringing += 1
        asyncio.get_running_loop().call_soon(self._rung, timer)

    def _rung(self, timer: Timer) -> None:
        self._ringing -= 1
        timer.ring()


class Timer:
    """One pending wake-up."""

    __slots__ = ("_callback", "cancelled")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Call it off."""
        self.cancelled = True

    def ring(self) -> None:
        """Call back, unless it was called off meanwhile."""
        if not self.cancelled:
            self.cancelled = True
            self._callback()


def nanoseconds(moment: datetime) -> int:
    """An aware time as nanoseconds since the epoch, exact to its microsecond."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
