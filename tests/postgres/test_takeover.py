"""Several engines on one store: whatever becomes of one of them, the others finish its runs, and do nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import monotonic

from tests.postgres.a_node import LEASE
from tests.postgres.journeys import STEPS, under_way
from tests.postgres.nodes import Nodes


def _repeated(nodes: Nodes) -> Counter[str]:
    """Steps that were begun more than once, whoever did."""
    begun = Counter(line.partition(" ")[2] for line in nodes.ledger)
    return Counter({step: times for step, times in begun.items() if times > 1})


async def test_a_killed_node_s_runs_go_on_within_the_lease_and_a_second(nodes: Nodes) -> None:
    async with under_way(nodes) as going:
        await going.second.join()
        nodes.let_go()
        await going.first.kill()
        killed, before = monotonic(), len(nodes.ledger)
        await nodes.until(lambda: len(nodes.ledger) > before)
        assert monotonic() - killed <= LEASE.total_seconds() + 1
        assert nodes.ledger[-1].startswith(f"{going.second.pid} ")
        await going.finished()
        assert await going.store.holders() == []
        for run in going.runs:  # what was recorded before the kill was not done again
            journal = await going.store.read(run.num)
            assert len({line.key for line in journal if line.kind == "task"}) == STEPS
        assert all(times == 2 for times in _repeated(nodes).values())
        # at most what was in flight, and that was held to the pool's slots and one link of a chain each
        assert len(_repeated(nodes)) <= 3 + 4


async def test_a_node_that_stops_hands_over_in_less_than_a_second(nodes: Nodes) -> None:
    async with under_way(nodes) as going:
        await going.second.join()
        nodes.let_go()
        asked, stopping = monotonic(), asyncio.ensure_future(going.first.stop())
        await nodes.until(lambda: nodes.ledger[-1].startswith(f"{going.second.pid} "))
        assert monotonic() - asked < 1
        assert await stopping == 0
        await going.finished()
        assert {known.id for known in await going.store.nodes()} == {going.second.id}


async def test_a_frozen_node_that_wakes_up_writes_nothing_and_stops_itself(nodes: Nodes) -> None:
    async with under_way(nodes) as going:
        going.first.freeze()
        nodes.let_go()
        await going.second.join()
        await nodes.until(
            lambda: len(nodes.ledger) >= 4 * STEPS and nodes.ledger[-1].startswith(f"{going.second.pid} ")
        )
        going.first.thaw()
        await going.finished()
        assert await going.first.process.wait() != 0
        assert "declared dead" in nodes.errors
        journal = [line for run in going.runs for line in await going.store.read(run.num)]
        newest = {(line.run, line.seq): line.epoch for line in journal}
        for run in going.runs:  # every line after the takeover is the new owner's
            epochs = [epoch for (num, _), epoch in sorted(newest.items()) if num == run.num]
            assert epochs == sorted(epochs)
