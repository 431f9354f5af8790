"""Pool slots: counted over all processes on the store, freed when their holder dies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Pools(Protocol):
    """Slots of named pools."""

    async def acquire(self, pool: str, slots: int, *, node: str, run: int, key: str) -> bool:
        """Take a slot, or answer False at once when all `slots` are held. The same holder may ask twice."""
        ...

    async def release(self, pool: str, *, run: int, key: str) -> None:
        """Give a slot back. Releasing what is not held does nothing."""

    async def holders(self) -> Sequence[tuple[str, int, str, str]]:
        """All held slots: pool, run number, task key, node."""
        ...
