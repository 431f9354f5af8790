"""Four journeys under way on one node, and a second node that is ready to take them over."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.client import Client, RunHandle
from engine.stores.blobs import MemoryBlobs
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.postgres.a_node import journey
from tests.postgres.nodes import NodeProcess, Nodes

RESULT = [5, sum(n * n for n in range(20)), 4]
"""Of a journey that has heard of home."""

STEPS = 25
"""That a journey takes."""


@dataclass(frozen=True)
class UnderWay:
    """`first` has the runs; `second` has loaded its flows and waits for `join`."""

    first: NodeProcess
    second: NodeProcess
    store: PostgresStore
    runs: list[RunHandle[list[int]]]

    async def finished(self) -> None:
        """Send all of them home, and see that they arrive."""
        for run in self.runs:
            await run.signal("go", "home")
        assert [await run.result() for run in self.runs] == [RESULT] * len(self.runs)


@asynccontextmanager
async def under_way(nodes: Nodes) -> AsyncGenerator[UnderWay]:
    """Begin the journeys, and hold them in the middle, however long the second node takes to join."""
    first, second = await nodes.start(), await nodes.prepare()
    store = PostgresStore(nodes.url)
    async with opened(store):
        client = Client(store, MemoryBlobs())
        runs = [await client.start(journey.bind(f"r{n}"), id=f"r{n}") for n in range(4)]
        await nodes.until(lambda: len(nodes.ledger) >= 40)
        nodes.hold()
        yield UnderWay(first, second, store, runs)
