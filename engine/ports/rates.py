"""Rates: when the next start of something may be, counted over all processes on the store."""

from __future__ import annotations

from typing import Protocol


class Rates(Protocol):
    """Places in a line that moves on by itself: whoever dies with one holds nobody up."""

    async def reserve(self, rate: str, *, interval: int, burst: int, now: int) -> int:
        """Take the next place of a rate: in how many nanoseconds its holder may start, 0 for at once.

        `burst` places are at once after a pause, the others `interval` nanoseconds apart. A store with a clock of
        its own goes by that, any other by `now`. A call whose answer was lost may have taken a place in vain.
        """
        ...
