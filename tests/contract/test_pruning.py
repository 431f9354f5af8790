"""Forgetting: old ended runs go, with all that hangs on them, a few at a time."""

from __future__ import annotations

from engine.model.change import Ended
from engine.model.entry import Entry
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from tests.contract.harness import claimed, entry, log, new_run, write_as


async def _ended(
    store: Store, name: str, at: int, *lines: Entry, blob: str | None = None, parent: int | None = None
) -> RunRecord:
    run = await claimed(store, name, tags=("old",), parent=parent)
    await store.signal(name, "go", b"1", now=1)
    entries = [line._replace(run=run.num) for line in lines]
    await write_as(store, run, *entries, log(run, name), Ended(run.num, RunState.SUCCEEDED, b"1", blob, None, at))
    return run


async def test_runs_that_ended_before_a_time_go_the_oldest_first(store: Store) -> None:
    for name, at in (("a", 300), ("b", 100), ("c", 200)):
        await _ended(store, name, at)
    assert await store.prune(ended_before=300, limit=1) == (1, [])
    assert [run.id for run in await store.list_runs()] == ["c", "a"]
    assert await store.prune(ended_before=300, limit=10) == (1, [])
    assert await store.prune(ended_before=300, limit=10) == (0, [])
    assert [run.id for run in await store.list_runs()] == ["a"]


async def test_everything_that_hangs_on_a_run_goes_with_it(store: Store) -> None:
    probe = await claimed(store, "probe")
    run = await _ended(store, "a", 100, entry(probe, 0))
    kept = await _ended(store, "kept", 900, entry(probe, 0))
    await store.prune(ended_before=500, limit=10)
    assert await store.find("a") is None
    assert await store.read(run.num) == []
    assert await store.logs(run.num) == []
    assert await store.signals(run.num) == []
    assert [r.id for r in await store.list_runs(tag="old")] == ["kept"]
    assert len(await store.read(kept.num)) == len(await store.logs(kept.num)) == len(await store.signals(kept.num)) == 1


async def test_an_id_is_free_again(store: Store) -> None:
    await _ended(store, "a", 100)
    await store.prune(ended_before=500, limit=10)
    _, new = await store.create(new_run("a"))
    assert new


async def test_what_has_not_ended_stays(store: Store) -> None:
    await claimed(store, "running")
    stuck = await claimed(store, "diverged")
    await write_as(store, stuck, Ended(stuck.num, RunState.DIVERGED, None, None, b"{}", 100))
    assert await store.prune(ended_before=1 << 62, limit=10) == (0, [])
    assert len(await store.list_runs()) == 2


async def test_blobs_are_answered_once_nobody_names_them(store: Store) -> None:
    probe = await claimed(store, "probe")
    first = await _ended(store, "a", 100, entry(probe, 0, blob="x"), entry(probe, 1, blob="y"), blob="z")
    rerun, _ = await store.create(new_run("rerun"))
    await store.copy_journal(first.num, rerun.num, ["key-1"], now=150)
    await _ended(store, "b", 900, blob="z")
    assert await store.prune(ended_before=500, limit=10) == (1, ["x"])
    assert await store.prune(ended_before=1_000, limit=10) == (1, ["z"])


async def test_a_child_stays_until_its_parent_has_ended(store: Store) -> None:
    parent = await claimed(store, "parent")
    child = await _ended(store, "child", 100, parent=parent.num)
    assert await store.prune(ended_before=1_000, limit=10) == (0, [])
    await write_as(store, parent, Ended(parent.num, RunState.DIVERGED, None, None, b"{}", 200))
    assert await store.prune(ended_before=1_000, limit=10) == (0, [])
    assert await store.find(child.id) is not None
    parent = await store.cancel(parent.id, "enough", now=300)
    assert await store.prune(ended_before=300, limit=10) == (1, [])
    assert [run.id for run in await store.list_runs()] == ["parent"]
