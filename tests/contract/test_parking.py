"""A run that waits leaves memory, and misses nothing that comes meanwhile."""

from __future__ import annotations

import pytest

from engine.model.change import Ended, Parked
from engine.model.run import RunState
from engine.ports.store import Store
from tests.contract.harness import claimed, entry, found, new_run, write, write_as

ENDS = [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED]


async def test_a_parked_run_waits_without_an_owner(store: Store) -> None:
    run = await claimed(store)
    assert await write_as(store, run, entry(run, 0), Parked(run.num, 5_000, 0)) == frozenset()
    parked = await found(store, run)
    assert (parked.state, parked.owner, parked.wake_at, parked.epoch) == (RunState.WAITING, None, 5_000, run.epoch)


async def test_a_signal_that_came_meanwhile_queues_it(store: Store) -> None:
    run = await claimed(store)
    await store.signal("run", "go", b"1", now=200)
    await write_as(store, run, Parked(run.num, 5_000, 0))
    assert (await found(store, run)).state is RunState.QUEUED


async def test_a_signal_it_has_seen_does_not(store: Store) -> None:
    run = await claimed(store)
    await store.signal("run", "go", b"1", now=200)
    (seen,) = await store.signals(run.num)
    await write_as(store, run, Parked(run.num, 5_000, seen.id))
    assert (await found(store, run)).state is RunState.WAITING


async def test_another_run_s_signal_does_not(store: Store) -> None:
    run = await claimed(store)
    await claimed(store, "other")
    await store.signal("other", "go", b"1", now=200)
    await write_as(store, run, Parked(run.num, 5_000, 0))
    assert (await found(store, run)).state is RunState.WAITING


async def test_a_cancel_request_that_came_meanwhile_queues_it(store: Store) -> None:
    run = await claimed(store)
    await store.cancel("run", "stop", now=200)
    await write_as(store, run, Parked(run.num, None, 0))
    assert (await found(store, run)).state is RunState.QUEUED


@pytest.mark.parametrize("state", ENDS)
async def test_a_child_that_has_ended_meanwhile_queues_it(store: Store, state: RunState) -> None:
    run = await claimed(store, "parent")
    child = await claimed(store, "child", parent=run.num)
    await write_as(store, child, Ended(child.num, state, None, None, None, 200))
    await write_as(store, run, Parked(run.num, None, 0, (child.num,)))
    assert (await found(store, run)).state is RunState.QUEUED


@pytest.mark.parametrize("state", ENDS)
async def test_the_end_of_a_child_wakes_it(store: Store, state: RunState) -> None:
    run = await claimed(store, "parent")
    child = await claimed(store, "child", parent=run.num)
    await write_as(store, run, Parked(run.num, 5_000, 0, (child.num,)))
    assert (await found(store, run)).state is RunState.WAITING
    await write_as(store, child, Ended(child.num, state, None, None, None, 200))
    woken = await found(store, run)
    assert (woken.state, woken.wake_at) == (RunState.QUEUED, None)


async def test_a_child_that_diverged_has_not_ended(store: Store) -> None:
    run = await claimed(store, "parent")
    child = await claimed(store, "child", parent=run.num)
    await write_as(store, run, Parked(run.num, None, 0, (child.num,)))
    await write_as(store, child, Ended(child.num, RunState.DIVERGED, None, None, b"{}", 200))
    assert (await found(store, run)).state is RunState.WAITING


async def test_a_child_it_does_not_wait_for_does_not_queue_it(store: Store) -> None:
    run = await claimed(store, "parent")
    ended, awaited = await claimed(store, "ended", parent=run.num), await claimed(store, "awaited", parent=run.num)
    await write_as(store, ended, Ended(ended.num, RunState.SUCCEEDED, b"1", None, None, 200))
    await write_as(store, run, Parked(run.num, None, 0, (awaited.num,)))
    assert (await found(store, run)).state is RunState.WAITING


async def test_parent_and_child_in_one_batch(store: Store) -> None:
    run = await claimed(store, "parent")
    child = await claimed(store, "child", parent=run.num)
    epochs = {run.num: run.epoch, child.num: child.epoch}
    ended = Ended(child.num, RunState.SUCCEEDED, b"1", None, None, 200)
    await write(store, Parked(run.num, None, 0, (child.num,)), ended, epochs=epochs)
    assert (await found(store, run)).state is RunState.QUEUED


async def test_the_end_of_a_child_leaves_a_running_parent_alone(store: Store) -> None:
    run = await claimed(store, "parent")
    child = await claimed(store, "child", parent=run.num)
    await write_as(store, child, Ended(child.num, RunState.SUCCEEDED, b"1", None, None, 200))
    assert await found(store, run) == run


async def test_a_parent_nobody_knows_is_no_error(store: Store) -> None:
    child, _ = await store.create(new_run("child", parent=999))
    await store.cancel("child", "stop", now=200)
    assert (await found(store, child)).state is RunState.CANCELLED
