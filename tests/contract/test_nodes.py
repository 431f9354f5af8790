"""A node joins, lives, leaves in good order or dies, and then its runs go on elsewhere."""

from __future__ import annotations

import json

import pytest

from engine.model.change import Parked
from engine.model.entry import NOW, STARTED, WAIT
from engine.model.errors import Fenced, StoreError
from engine.model.limits import Pool
from engine.model.run import RunState
from engine.ports.store import Store
from tests.contract.conftest import Kill
from tests.contract.harness import claim_again, claimed, entry, found, new_run, node, write_as


async def test_nodes_are_listed_while_they_are_members(store: Store) -> None:
    await store.join(node("a", pid=7, host="h", started=1, flows=("f", "g")))
    await store.join(node("b", started=2))
    assert await store.nodes() == [node("a", pid=7, host="h", started=1, flows=("f", "g")), node("b", started=2)]
    await store.leave("a")
    assert await store.nodes() == [node("b", started=2)]


async def test_a_node_tells_the_pools_of_its_flows(store: Store) -> None:
    pools = (("f", Pool("narrow", 2)),)
    await store.join(node(pools=pools))
    assert [known.pools for known in await store.nodes()] == [pools]


async def test_another_program_sees_that_a_node_lives(store: Store, other: Store) -> None:
    run = await claimed(store)
    assert await other.nodes() == [node()]
    assert await other.rescue(crash_limit=3, now=200) == []
    assert await found(store, run) == run


async def test_two_nodes_cannot_have_one_id(store: Store, other: Store) -> None:
    await store.join(node())
    with pytest.raises(StoreError, match="another id"):
        await other.join(node())
    await store.beat("node")


async def test_an_id_is_free_again_after_leaving(store: Store) -> None:
    await store.join(node())
    await store.leave("node")
    await store.join(node())
    await store.beat("node")


async def test_leaving_queues_what_the_node_owns_and_frees_its_slots(store: Store) -> None:
    run = await claimed(store)
    other_run = await claimed(store, "theirs", owner="other")
    await store.acquire("gpu", 1, node="node", run=run.num, key="k")
    await store.leave("node")
    left = await found(store, run)
    assert (left.state, left.owner, left.crashes) == (RunState.QUEUED, None, 0)
    assert await store.holders() == []
    assert await found(store, other_run) == other_run
    assert await write_as(store, run, entry(run, 0)) == {run.num}


async def test_a_node_that_lives_may_say_so(store: Store) -> None:
    await store.join(node())
    await store.beat("node")
    with pytest.raises(Fenced, match="stranger"):
        await store.beat("stranger")


async def test_a_dead_node_is_seen_and_its_runs_are_queued(store: Store, dies: Kill) -> None:
    run, _ = await store.create(new_run())
    await dies("doomed", run)
    assert [(known.id, known.alive) for known in await store.nodes()] == [("doomed", False)]
    (rescued,) = await store.rescue(crash_limit=3, now=500)
    assert (rescued.num, rescued.state, rescued.owner, rescued.epoch) == (run.num, RunState.QUEUED, None, 2)
    assert rescued.crashes == 1
    assert await found(store, run) == rescued
    assert await store.nodes() == []
    assert await store.holders() == []


async def test_a_dead_node_is_rescued_once(store: Store, other: Store, dies: Kill) -> None:
    run, _ = await store.create(new_run())
    await dies("doomed", run)
    assert len(await store.rescue(crash_limit=3, now=500)) == 1
    assert await other.rescue(crash_limit=3, now=500) == []
    assert await store.rescue(crash_limit=3, now=500) == []


async def test_a_dead_node_s_former_owner_is_fenced(store: Store, dies: Kill) -> None:
    run, _ = await store.create(new_run())
    await dies("doomed", run)
    ghost = await found(store, run)
    await store.rescue(crash_limit=3, now=500)
    assert await write_as(store, ghost, entry(ghost, 0)) == {run.num}
    with pytest.raises(Fenced, match="doomed"):
        await store.beat("doomed")
    with pytest.raises(Fenced, match="doomed"):
        await store.claim("doomed", now=500, limit=1, flows=["f"])


async def test_runs_that_wait_are_not_touched_by_a_death(store: Store, dies: Kill) -> None:
    run = await claimed(store)
    await write_as(store, run, Parked(run.num, None, 0))
    waiting = await found(store, run)
    await dies("doomed")
    assert await store.rescue(crash_limit=3, now=500) == []
    assert await found(store, run) == waiting


async def test_a_run_that_keeps_dying_is_given_up(store: Store, dies: Kill) -> None:
    parent = await claimed(store, "parent")
    run, _ = await store.create(new_run("poison", parent=parent.num))
    await write_as(store, parent, Parked(parent.num, None, 0, (run.num,)))
    await dies("first", run)
    assert [(r.state, r.crashes) for r in await store.rescue(crash_limit=2, now=500)] == [(RunState.QUEUED, 1)]
    await dies("second", run)
    (failed,) = await store.rescue(crash_limit=2, now=600)
    assert (failed.state, failed.crashes, failed.ended, failed.owner) == (RunState.FAILED, 2, 600, None)
    assert failed.error is not None
    error = json.loads(failed.error)
    assert error["type"] == "headrace.CrashLoop"
    assert "poison" in error["message"]
    assert set(error) == {"type", "message", "args", "notes", "traceback"}
    assert (await found(store, parent)).state is RunState.QUEUED


@pytest.mark.parametrize(("kind", "crashes"), [(NOW, 1), (STARTED, 2), (WAIT, 2)])
async def test_progress_starts_the_count_anew_and_a_mere_beginning_is_none(
    store: Store, dies: Kill, kind: str, crashes: int
) -> None:
    run, _ = await store.create(new_run())
    await dies("first", run)
    await store.rescue(crash_limit=9, now=500)
    await store.join(node("healthy"))
    healthy = await claim_again(store, run, owner="healthy")
    await write_as(store, healthy, entry(healthy, 0, kind=kind))
    await store.leave("healthy")
    await dies("second", run)
    assert [r.crashes for r in await store.rescue(crash_limit=9, now=600)] == [crashes]
