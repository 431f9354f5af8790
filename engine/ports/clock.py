"""The clock: where the engine gets the time from, so that tests can give it theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from engine.ports.nodes import Nodes


class Clock(Protocol):
    """Wall-clock time, in nanoseconds since the epoch, and wake-ups at such times."""

    def now(self) -> int:
        """The time."""
        ...

    def call_at(self, when: int, callback: Callable[[], None]) -> asyncio.TimerHandle | Cancellable:
        """Call back on the loop once `now() >= when`; never before."""
        ...

    async def agreed(self, store: Nodes) -> Clock:
        """The clock that the nodes of a store go by: the store's own where it has one, else this. Raises StoreError."""
        ...


class Cancellable(Protocol):
    """Something that can be called off."""

    def cancel(self) -> None:
        """Call it off. Doing so twice, or too late, does nothing."""
