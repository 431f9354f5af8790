"""A cancel request ends what has not begun, and reaches the code of what has."""

from __future__ import annotations

import pytest

from engine.model.change import Ended, Parked, Released
from engine.model.errors import RunConflict, UnknownRun
from engine.model.run import RunState
from engine.ports.store import Store
from tests.contract.harness import claimed, found, new_run, write_as


async def test_a_run_that_never_started_is_cancelled_at_once(store: Store) -> None:
    await store.create(new_run(due=9_000))
    run = await store.cancel("run", "changed my mind", now=300)
    assert (run.state, run.cancel, run.ended, run.wake_at) == (RunState.CANCELLED, "changed my mind", 300, None)
    assert await store.next_due(flows=["f"]) is None


async def test_a_diverged_run_is_cancelled_at_once(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, RunState.DIVERGED, None, None, b"{}", 200))
    cancelled = await store.cancel("run", "give up", now=300)
    assert (cancelled.state, cancelled.cancel, cancelled.ended) == (RunState.CANCELLED, "give up", 300)


async def test_a_waiting_run_is_queued_so_that_its_code_sees_it(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Parked(run.num, None, 0))
    asked = await store.cancel("run", "stop", now=300)
    assert (asked.state, asked.cancel, asked.ended) == (RunState.QUEUED, "stop", None)
    (again,) = await store.claim("node", now=300, limit=1, flows=["f"])
    assert again.cancel == "stop"


async def test_a_running_run_is_told_through_cancelled(store: Store) -> None:
    run, calm = await claimed(store), await claimed(store, "calm")
    asked = await store.cancel("run", "stop", now=300)
    assert (asked.state, asked.owner, asked.cancel) == (RunState.RUNNING, "node", "stop")
    assert await store.cancelled([run.num, calm.num]) == [(run.num, "stop")]
    assert await store.cancelled([calm.num]) == []


async def test_a_queued_run_that_has_started_stays_queued(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Released(run.num))
    asked = await store.cancel("run", "stop", now=300)
    assert (asked.state, asked.cancel) == (RunState.QUEUED, "stop")


async def test_the_first_reason_stays(store: Store) -> None:
    run = await claimed(store)
    await store.cancel("run", "first", now=300)
    assert (await store.cancel("run", "second", now=301)).cancel == "first"
    assert await store.cancelled([run.num]) == [(run.num, "first")]


async def test_an_ended_run_stays_as_it_is(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 200))
    before = await found(store, run)
    assert await store.cancel("run", "too late", now=300) == before
    assert await store.cancelled([run.num]) == []


async def test_cancelling_nobody_is_an_error(store: Store) -> None:
    with pytest.raises(UnknownRun, match="nobody"):
        await store.cancel("nobody", "stop", now=300)


async def test_a_cancelled_child_wakes_its_parent(store: Store) -> None:
    parent = await claimed(store, "parent")
    child, _ = await store.create(new_run("child", parent=parent.num))
    await write_as(store, parent, Parked(parent.num, None, 0, (child.num,)))
    await store.cancel("child", "stop", now=300)
    assert (await found(store, parent)).state is RunState.QUEUED


async def test_a_diverged_run_is_queued_again(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, RunState.DIVERGED, None, None, b"{}", 200))
    again = await store.requeue("run", now=300)
    assert (again.state, again.error, again.ended) == (RunState.QUEUED, None, None)
    assert [run.id for run in await store.claim("node", now=300, limit=1, flows=["f"])] == ["run"]


async def test_only_a_diverged_run_is_queued_again(store: Store) -> None:
    await claimed(store)
    with pytest.raises(RunConflict, match=r"run.*running"):
        await store.requeue("run", now=300)
    with pytest.raises(UnknownRun, match="nobody"):
        await store.requeue("nobody", now=300)
