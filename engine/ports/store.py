"""The store: one object that satisfies every persistent port, and its life."""

from __future__ import annotations

from typing import Protocol

from engine.ports.history import History
from engine.ports.journal import Journal
from engine.ports.nodes import Nodes
from engine.ports.pools import Pools
from engine.ports.rates import Rates
from engine.ports.runs import Runs


class Store(Runs, Journal, Nodes, Pools, Rates, History, Protocol):
    """Opened before anything else and closed last. The parts are asked for one by one, by who needs them."""

    @property
    def description(self) -> str:
        """For people: what it is, where, and which durability is on."""
        ...

    async def open(self) -> None:
        """Connect, migrate, check. Raises StoreError with the way out; leaves nothing half written."""

    async def close(self) -> None:
        """Finish what was given to `write` and disconnect."""
