"""MemoryStore: the reference store, put together from one part for each port."""

from __future__ import annotations

from engine.stores.memory.history import MemoryHistory
from engine.stores.memory.journal import MemoryJournal
from engine.stores.memory.nodes import MemoryNodes
from engine.stores.memory.rates import MemoryRates
from engine.stores.memory.runs import MemoryRuns


class MemoryStore(MemoryRuns, MemoryJournal, MemoryNodes, MemoryRates, MemoryHistory):
    """Satisfies `ports.store.Store` within one process. Lost with the process; kept when closed and opened again."""

    @property
    def description(self) -> str:
        return "memory, lost with the process"

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do: what was written stays for who opens this object again."""
