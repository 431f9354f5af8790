"""A flow's pool: no more of its runs are in memory than it has slots, on all nodes together."""

from __future__ import annotations

import asyncio

from engine.model.change import Ended, Parked, Released
from engine.model.limits import Pool, Takes
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from tests.contract.conftest import Kill
from tests.contract.harness import new_run, node, write_as

TWO = Takes(pools={"f": Pool("etl", 2)})


async def taken(store: Store, who: str = "node", *, takes: Takes = TWO, now: int = 150) -> list[RunRecord]:
    return [*await store.claim(who, now=now, limit=10, flows=["f", "g"], takes=takes)]


async def filled(store: Store) -> list[RunRecord]:
    """Four runs, of which two are taken."""
    await store.join(node())
    for name in "abcd":
        await store.create(new_run(name))
    return await taken(store)


async def test_no_more_runs_than_slots(store: Store, other: Store) -> None:
    assert [run.id for run in await filled(store)] == ["a", "b"]
    await other.join(node("second"))
    assert await taken(other, "second") == []
    assert await store.holders() == [("etl", 1, "", "node"), ("etl", 2, "", "node")]


async def test_ending_parking_and_releasing_free_a_slot(store: Store) -> None:
    a, b = await filled(store)
    await write_as(store, a, Ended(a.num, RunState.FAILED, None, None, b"{}", 200))
    (c,) = await taken(store)
    await write_as(store, b, Parked(b.num, None, 0))
    (d,) = await taken(store)
    await write_as(store, c, Released(c.num))
    assert [run.id for run in [c, d, *await taken(store)]] == ["c", "d", "c"]


async def test_a_slot_ends_with_the_node_that_holds_it(store: Store, dies: Kill) -> None:
    a, _ = await store.create(new_run("a"))
    await store.create(new_run("b"))
    await dies("doomed", a)
    await store.join(node())
    await store.rescue(crash_limit=5, now=200)
    assert [run.id for run in await taken(store, takes=Takes(pools={"f": Pool("etl", 1)}))] == ["a"]
    assert await store.holders() == [("etl", 1, "", "node")]


async def test_tasks_and_flows_share_the_slots_of_a_pool(store: Store) -> None:
    await store.join(node())
    assert await store.acquire("etl", 2, node="node", run=9, key="x")
    for name in "ab":
        await store.create(new_run(name))
    assert [run.id for run in await taken(store)] == ["a"]
    assert not await store.acquire("etl", 2, node="node", run=9, key="y")
    assert await store.acquire("etl", 2, node="node", run=9, key="x")  # it holds this one already


async def test_flows_share_a_pool_in_order_of_rank(store: Store) -> None:
    await store.join(node())
    for name, flow, rank in [("a", "f", 3), ("b", "g", 2), ("c", "f", 1), ("d", "g", 4)]:
        await store.create(new_run(name, flow=flow, rank=rank))
    shared = Takes(pools={"f": Pool("etl", 2), "g": Pool("etl", 2)})
    assert [run.id for run in await taken(store, takes=shared)] == ["c", "b"]


async def test_a_full_pool_keeps_no_other_flow_waiting(store: Store) -> None:
    await filled(store)
    await store.create(new_run("other", flow="g", rank=5))
    assert [run.id for run in await taken(store)] == ["other"]


async def test_a_full_pool_makes_nothing_due(store: Store) -> None:
    a, _ = await filled(store)
    assert await store.next_due(flows=["f"], takes=TWO) is None
    await write_as(store, a, Released(a.num))
    assert await store.next_due(flows=["f"], takes=TWO) in (0, 100)


async def test_named_runs_need_a_slot_as_well(store: Store) -> None:
    await filled(store)
    assert await store.claim("node", now=150, limit=9, flows=["f"], only=[1, 2, 3, 4], takes=TWO) == []


async def test_a_full_pool_takes_no_place_among_named_runs(store: Store) -> None:
    await filled(store)
    other, _ = await store.create(new_run("other", flow="g", rank=5))
    flows = ["f", "g"]
    (taken_,) = await store.claim("node", now=150, limit=1, flows=flows, only=[3, 4, other.num], takes=TWO)
    assert taken_.id == "other"


async def test_nodes_that_claim_at_once_never_take_too_many(store: Store, other: Store) -> None:
    await store.join(node("one"))
    await other.join(node("two"))
    for n in range(20):
        await store.create(new_run(str(n)))
    seven = Takes(pools={"f": Pool("etl", 7)})
    claims = [taken(at, who, takes=seven) for at, who in ((store, "one"), (other, "two")) for _ in range(6)]
    found = [run.id for runs in await asyncio.gather(*claims) for run in runs]
    assert len(found) == len({*found}) == 7
