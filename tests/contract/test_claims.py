"""Runs are claimed when they are due, oldest first, by one node at a time."""

from __future__ import annotations

import pytest

from engine.model.change import Ended, Parked, Released
from engine.model.errors import Fenced
from engine.model.run import RunState
from engine.ports.store import Store
from tests.contract.harness import claim_again, claimed, found, new_run, node, write_as


async def test_a_claimed_run_is_running_and_owned_with_a_higher_epoch(store: Store) -> None:
    await store.join(node())
    created, _ = await store.create(new_run("a"))
    (run,) = await store.claim("node", now=150, limit=10, flows=["f"])
    assert (run.num, run.state, run.owner, run.epoch, run.started) == (created.num, RunState.RUNNING, "node", 1, 150)
    assert await store.find("a") == run


async def test_a_run_is_claimed_once(store: Store, other: Store) -> None:
    await claimed(store, "a")
    await other.join(node("second"))
    assert await other.claim("second", now=150, limit=10, flows=["f"]) == []


async def test_the_oldest_go_first_up_to_the_limit(store: Store) -> None:
    await store.join(node())
    for name in "abc":
        await store.create(new_run(name))
    assert [run.id for run in await store.claim("node", now=150, limit=2, flows=["f"])] == ["a", "b"]
    assert [run.id for run in await store.claim("node", now=150, limit=2, flows=["f"])] == ["c"]


async def test_what_was_begun_goes_before_what_is_new(store: Store) -> None:
    sleeper = await claimed(store, "sleeper")
    await write_as(store, sleeper, Parked(sleeper.num, 1_000, 0))
    await store.create(new_run("new"))
    taken = await store.claim("node", now=1_000, limit=10, flows=["f"])
    assert [run.id for run in taken] == ["sleeper", "new"]


async def test_only_runs_of_the_flows_asked_for(store: Store) -> None:
    await store.join(node())
    for name in "fgh":
        await store.create(new_run(name, flow=name))
    assert {run.id for run in await store.claim("node", now=150, limit=10, flows=["f", "h"])} == {"f", "h"}


async def test_only_the_runs_asked_for(store: Store) -> None:
    await store.join(node())
    a, _ = await store.create(new_run("a"))
    b, _ = await store.create(new_run("b"))
    g, _ = await store.create(new_run("g", flow="g"))
    assert [run.id for run in await store.claim("node", now=150, limit=9, flows=["f"], only=[b.num, g.num])] == ["b"]
    assert await store.claim("node", now=150, limit=9, flows=["f"], only=[]) == []
    assert (await found(store, a)).state is RunState.QUEUED


async def test_a_run_is_not_claimed_before_it_is_due(store: Store) -> None:
    await store.join(node())
    await store.create(new_run("a", due=1_000))
    assert await store.claim("node", now=999, limit=10, flows=["f"]) == []
    assert [run.id for run in await store.claim("node", now=1_000, limit=10, flows=["f"])] == ["a"]


async def test_a_waiting_run_is_claimed_when_its_time_has_come(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Parked(run.num, 1_000, 0))
    assert await store.claim("node", now=999, limit=10, flows=["f"]) == []
    woken = await claim_again(store, run, now=1_000)
    assert (woken.state, woken.epoch, woken.started, woken.wake_at) == (RunState.RUNNING, 2, 150, None)


async def test_a_run_that_waits_for_events_only_is_not_claimed(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Parked(run.num, None, 0))
    assert await store.claim("node", now=1 << 62, limit=10, flows=["f"]) == []


async def test_next_due_is_the_earliest_time_of_these_flows(store: Store) -> None:
    assert await store.next_due(flows=["f"]) is None
    await store.create(new_run("later", due=2_000))
    await store.create(new_run("sooner", due=1_000))
    await store.create(new_run("foreign", flow="g", due=500))
    assert await store.next_due(flows=["f"]) == 1_000
    assert await store.next_due(flows=["f", "g"]) == 500
    assert await store.next_due(flows=[]) is None


async def test_next_due_knows_of_sleepers_and_of_runs_due_at_once(store: Store) -> None:
    sleeper = await claimed(store, "sleeper")
    await write_as(store, sleeper, Parked(sleeper.num, 3_000, 0))
    assert await store.next_due(flows=["f"]) == 3_000
    run, _ = await store.create(new_run("at-once"))
    due = await store.next_due(flows=["f"])
    assert due is not None
    assert due <= run.created


async def test_next_due_forgets_runs_that_ended_or_wait_for_events(store: Store) -> None:
    done, waiting = await claimed(store, "done"), await claimed(store, "waiting")
    await write_as(store, done, Ended(done.num, RunState.SUCCEEDED, b"1", None, None, 400))
    await write_as(store, waiting, Parked(waiting.num, None, 0))
    assert await store.next_due(flows=["f"]) is None


async def test_a_released_run_is_claimable_at_once(store: Store) -> None:
    run = await claimed(store)
    assert await write_as(store, run, Released(run.num)) == frozenset()
    released = await found(store, run)
    assert (released.state, released.owner) == (RunState.QUEUED, None)
    assert (await claim_again(store, run)).epoch == 2


async def test_a_node_that_has_not_joined_claims_nothing(store: Store) -> None:
    run, _ = await store.create(new_run("a"))
    with pytest.raises(Fenced, match="stranger"):
        await store.claim("stranger", now=150, limit=10, flows=["f"])
    assert (await found(store, run)).state is RunState.QUEUED
