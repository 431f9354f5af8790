"""The trace of a schedule: what happened, in order, and a digest by which two traces are compared."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from tests.simulation.loop import VirtualLoop


class Trace:
    """Grows by one line an event."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.events: list[tuple[Any, ...]] = []

    def note(self, *event: Any) -> None:
        """Something happened now."""
        self.events.append((self._loop._seconds, *event))

    @property
    def digest(self) -> str:
        """16 hex digits."""
        return blake2b("\n".join(self.lines()).encode(), digest_size=8).hexdigest()

    def lines(self) -> list[str]:
        """The events as text."""
        return [f"{at:9.4f}  {'  '.join(str(fact) for fact in event)}" for at, *event in self.events]
