"""A lane over nodes that are killed and stopped in the middle of a turn: in order, one at a time, never stuck."""

from __future__ import annotations

from itertools import pairwise

from engine.client import Client
from engine.stores.blobs import MemoryBlobs
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.postgres.a_node import in_line
from tests.postgres.nodes import Nodes

RUNS = [f"r{n}" for n in range(8)]


async def test_a_lane_outlives_its_nodes(url: str, nodes: Nodes) -> None:
    first, second = await nodes.start(), await nodes.start()
    third = await nodes.prepare()
    async with opened(PostgresStore(url)) as store:
        client = Client(store, MemoryBlobs())
        runs = [await client.start(in_line.bind(name), id=name) for name in RUNS]
        await nodes.until(lambda: any(line.endswith("r1 begins") for line in nodes.ledger))
        await third.join()
        begun = next(line for line in nodes.ledger if line.endswith("r1 begins"))
        killed = first if begun.startswith(f"{first.pid} ") else second
        await killed.kill()
        await nodes.until(lambda: any(line.endswith("r4 begins") for line in nodes.ledger))
        assert await (second if killed is first else first).stop() == 0
        assert [await run.result() for run in runs] == RUNS
        assert await store.holders() == []
    story = [line.partition(" ")[2] for line in nodes.ledger]
    for before, after in pairwise(RUNS):
        last_end = max(at for at, line in enumerate(story) if line == f"{before} ends")
        assert last_end < story.index(f"{after} begins")
    again = [name for name in RUNS if story.count(f"{name} begins") > 1]
    assert len(again) <= 2  # the turn in which a node was killed, and the one in which a node was stopped
