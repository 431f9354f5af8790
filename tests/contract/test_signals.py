"""Signals are kept in order, wake a waiting run, and are refused by one that has ended."""

from __future__ import annotations

import pytest

from engine.model.change import Ended, Parked
from engine.model.errors import RunConflict, UnknownRun
from engine.model.run import RunState
from engine.ports.store import Store
from tests.contract.harness import claimed, new_run, write_as


async def test_signals_are_kept_in_order_of_arrival(store: Store) -> None:
    run = await claimed(store)
    await store.signal("run", "b", b'"x"', now=300)
    await store.signal("run", "a", b"null", now=200)
    first, second = await store.signals(run.num)
    assert (first.run, first.name, first.payload, first.sent) == (run.num, "b", b'"x"', 300)
    assert (second.name, second.payload, second.sent) == ("a", b"null", 200)
    assert second.id > first.id > 0
    assert await store.signals(run.num, after=first.id) == [second]


async def test_a_signal_wakes_a_waiting_run(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Parked(run.num, 9_000, 0))
    woken = await store.signal("run", "go", b"1", now=300)
    assert (woken.state, woken.owner, woken.wake_at) == (RunState.QUEUED, None, None)
    assert await store.claim("node", now=300, limit=1, flows=["f"]) != []


async def test_a_signal_to_a_running_or_queued_run_changes_no_state(store: Store) -> None:
    running = await claimed(store)
    queued, _ = await store.create(new_run("queued", due=9_000))
    assert await store.signal("run", "go", b"1", now=300) == running
    assert await store.signal("queued", "go", b"1", now=300) == queued


async def test_signals_of_many_runs_are_asked_for_at_once(store: Store) -> None:
    one, two = await claimed(store, "one"), await claimed(store, "two")
    await claimed(store, "three")
    for name in ("one", "two", "three", "one"):
        await store.signal(name, "go", b"1", now=300)
    found = await store.signals_after(0, [one.num, two.num])
    assert [signal.run for signal in found] == [one.num, two.num, one.num]
    assert await store.signals_after(found[0].id, [two.num, one.num]) == found[1:]
    assert await store.signals_after(found[-1].id, [one.num]) == []
    assert await store.signals_after(0, []) == []


async def test_a_signal_to_nobody_is_an_error(store: Store) -> None:
    with pytest.raises(UnknownRun, match="nobody"):
        await store.signal("nobody", "go", b"1", now=300)


async def test_a_signal_to_an_ended_run_is_an_error_and_is_not_kept(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 200))
    with pytest.raises(RunConflict, match=r"run.*succeeded.*go"):
        await store.signal("run", "go", b"1", now=300)
    assert await store.signals(run.num) == []


async def test_a_diverged_run_still_takes_signals(store: Store) -> None:
    run = await claimed(store)
    await write_as(store, run, Ended(run.num, RunState.DIVERGED, None, None, b"{}", 200))
    assert (await store.signal("run", "go", b"1", now=300)).state is RunState.DIVERGED
    assert len(await store.signals(run.num)) == 1
