"""Of one lane one run goes at a time, in the order of start; a lane is never stuck and never doubled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.model.change import Change, Ended, Parked, Released
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from tests.contract.conftest import Kill
from tests.contract.harness import found, new_run, node, write_as


async def line(store: Store, names: str = "abc", *, lane: str = "customer 7", **fields: Any) -> list[RunRecord]:
    """Runs of one lane."""
    return [(await store.create(new_run(name, lane=lane, **fields)))[0] for name in names]


async def taken(store: Store, who: str = "node", *, now: int = 150) -> list[RunRecord]:
    if who not in {known.id for known in await store.nodes()}:
        await store.join(node(who))
    return [*await store.claim(who, now=now, limit=10, flows=["f"])]


def over(run: RunRecord, state: RunState = RunState.SUCCEEDED) -> Change:
    return Ended(run.num, state, None, None, b"{}", 300)


async def test_one_after_the_other_in_order_of_start(store: Store, other: Store) -> None:
    await line(store, "abc", rank=5)
    await store.create(new_run("urgent", lane="customer 7", rank=1))
    went: list[str] = []
    for who, at in [("one", store), ("two", other)] * 2:
        (run,) = await taken(at, who)
        assert await taken(store, "one") == await taken(other, "two") == []
        went.append(run.id)
        await write_as(at, run, over(run))
    assert went == ["a", "b", "c", "urgent"]
    assert await store.next_due(flows=["f"]) is None


async def test_lanes_do_not_know_each_other(store: Store) -> None:
    await line(store, "ab", lane="one")
    await line(store, "cd", lane="two")
    await store.create(new_run("e"))
    assert [run.id for run in await taken(store)] == ["a", "c", "e"]


async def test_the_record_tells_of_lane_and_waiting(store: Store) -> None:
    a, b, _ = await line(store)
    assert [(run.lane, run.held) for run in (a, b)] == [("customer 7", False), ("customer 7", True)]
    assert await store.next_due(flows=["f"]) is not None
    await taken(store)
    assert await store.next_due(flows=["f"]) is None


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED, RunState.DIVERGED, RunState.SUCCEEDED])
async def test_however_a_run_ends_the_next_one_goes(store: Store, state: RunState) -> None:
    await line(store)
    (a,) = await taken(store)
    await write_as(store, a, over(a, state))
    assert [run.id for run in await taken(store)] == ["b"]


async def test_a_parked_or_released_run_keeps_its_turn(store: Store) -> None:
    await line(store)
    (a,) = await taken(store)
    await write_as(store, a, Parked(a.num, 1_000, 0))
    assert await taken(store) == []
    (a,) = await taken(store, now=1_000)
    await write_as(store, a, Released(a.num))
    assert [run.id for run in await taken(store)] == ["a"]


async def test_a_dead_node_s_run_keeps_its_turn(store: Store, dies: Kill) -> None:
    a, *_ = await line(store)
    await dies("doomed", a)
    assert [run.id for run in await store.rescue(crash_limit=5, now=200)] == ["a"]
    assert [run.id for run in await taken(store)] == ["a"]


async def test_a_run_that_is_given_up_lets_the_next_one_go(store: Store, dies: Kill) -> None:
    a, *_ = await line(store)
    await dies("doomed", a)
    (given_up,) = await store.rescue(crash_limit=1, now=200)
    assert given_up.state is RunState.FAILED
    assert [run.id for run in await taken(store)] == ["b"]


async def test_cancelling_one_that_waits_leaves_the_others_in_line(store: Store) -> None:
    await line(store)
    (a,) = await taken(store)
    assert (await store.cancel("b", "no need", now=200)).state is RunState.CANCELLED
    assert await taken(store) == []
    await write_as(store, a, over(a))
    assert [run.id for run in await taken(store)] == ["c"]


async def test_cancelling_the_first_before_it_started_lets_the_next_one_go(store: Store) -> None:
    await line(store)
    assert (await store.cancel("a", "no need", now=200)).state is RunState.CANCELLED
    assert [run.id for run in await taken(store)] == ["b"]


async def test_a_signal_does_not_take_a_run_out_of_line(store: Store) -> None:
    _, b, _ = await line(store)
    await taken(store)
    await store.signal("b", "go", b"1", now=200)
    assert await taken(store) == []
    assert (await found(store, b)).held


async def test_a_diverged_run_that_is_queued_again_waits_for_its_turn(store: Store) -> None:
    await line(store)
    (a,) = await taken(store)
    await write_as(store, a, over(a, RunState.DIVERGED))
    (b,) = await taken(store)
    assert (await store.requeue("a", now=200)).held
    assert await taken(store) == []
    await write_as(store, b, over(b))
    assert [run.id for run in await taken(store)] == ["a"]


async def test_a_diverged_run_whose_lane_is_empty_goes_at_once(store: Store) -> None:
    await line(store, "a")
    (a,) = await taken(store)
    await write_as(store, a, over(a, RunState.DIVERGED))
    assert not (await store.requeue("a", now=200)).held
    assert [run.id for run in await taken(store)] == ["a"]


async def test_a_run_of_a_lane_that_is_named_waits_as_well(store: Store) -> None:
    _, b, _ = await line(store)
    await taken(store)
    assert await store.claim("node", now=150, limit=1, flows=["f"], only=[b.num]) == []


async def test_skip_answers_the_run_that_is_there(store: Store) -> None:
    (first,) = await line(store, "a")
    skipped, created = await store.create(new_run("b", lane="customer 7", occupied="skip"))
    assert (skipped, created) == (first, False)
    assert await store.find("b") is None
    (a,) = await taken(store)
    await write_as(store, a, over(a, RunState.DIVERGED))  # it stands still for good, and keeps nobody away
    made, created = await store.create(new_run("b", lane="customer 7", occupied="skip"))
    assert (made.id, created, made.held) == ("b", True, False)


async def test_skip_finds_the_run_of_the_same_id_first(store: Store) -> None:
    await line(store, "ab")
    again, created = await store.create(new_run("b", lane="customer 7", occupied="skip"))
    assert (again.id, created) == ("b", False)


async def test_replace_cancels_those_before_and_waits_for_their_end(store: Store) -> None:
    a, b = await line(store, "ab")
    (a,) = await taken(store)
    new, created = await store.create(new_run("c", lane="customer 7", occupied="replace"))
    assert (created, new.held) == (True, True)
    assert (await found(store, b)).state is RunState.CANCELLED
    assert await store.cancelled([a.num]) == [(a.num, "replaced by run c")]
    assert await taken(store) == []
    await write_as(store, a, over(a, RunState.CANCELLED))
    assert [run.id for run in await taken(store)] == ["c"]


async def test_replace_takes_the_turn_of_what_has_not_started(store: Store) -> None:
    a, b = await line(store, "ab")
    new, _ = await store.create(new_run("c", lane="customer 7", occupied="replace"))
    assert [(await found(store, run)).state for run in (a, b)] == [RunState.CANCELLED] * 2
    assert not new.held
    again, created = await store.create(new_run("c", lane="customer 7", occupied="replace"))
    assert (again, created) == (new, False)


async def test_a_cancelled_child_in_a_lane_wakes_its_parent(store: Store) -> None:
    await store.join(node())
    await store.create(new_run("parent"))
    (parent,) = await taken(store)
    child, _ = await store.create(new_run("child", lane="x", parent=parent.num))
    await write_as(store, parent, Parked(parent.num, None, 0, (child.num,)))
    await store.create(new_run("other", lane="x", occupied="replace"))
    assert (await found(store, parent)).state is RunState.QUEUED


async def test_whoever_comes_while_the_last_one_ends_is_not_forgotten(store: Store, other: Store) -> None:
    """Starts and ends at once, over and over: at every moment one run of the lane goes, and all get their turn."""
    await line(store, "a", lane="busy")
    started, ended = 1, 0
    while ended < started:
        (run,) = await taken(store)
        assert await taken(other, "second") == []
        names = [f"{started}-{n}" for n in range(2 if started < 25 else 0)]
        started += len(names)
        creations = [other.create(new_run(name, lane="busy")) for name in names]
        await asyncio.gather(write_as(store, run, over(run)), *creations)
        ended += 1
    assert await store.unfinished() == []
