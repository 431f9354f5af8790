"""Lists of runs, counts and log lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.model.change import Ended, Parked
from engine.model.entry import ATTEMPT, PENDING, WAIT
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from tests.contract.harness import claimed, entry, log, new_run, write_as


def _ids(runs: Sequence[RunRecord]) -> str:
    return "".join(run.id for run in runs)


@pytest.fixture
async def history(store: Store) -> Store:
    """Runs a to f: succeeded, failed, diverged, waiting, running, queued; every second one of flow `g`, tagged."""
    a, b, c, d, _ = [await claimed(store, name, **_kind(name)) for name in "abcde"]
    await store.create(new_run("f", **_kind("f")))
    await write_as(store, a, Ended(a.num, RunState.SUCCEEDED, b"1", None, None, 200))
    await write_as(store, b, Ended(b.num, RunState.FAILED, None, None, b"{}", 200))
    await write_as(store, c, Ended(c.num, RunState.DIVERGED, None, None, b"{}", 200))
    await write_as(store, d, Parked(d.num, None, 0))
    return store


def _kind(name: str) -> dict[str, Any]:
    return {"flow": "g", "tags": ("even", name)} if name in "bdf" else {"flow": "f", "tags": (name,)}


async def test_the_newest_come_first(history: Store) -> None:
    assert _ids(await history.list_runs()) == "fedcba"
    assert _ids(await history.list_runs(limit=2)) == "fe"


async def test_pages_follow_each_other(history: Store) -> None:
    first = await history.list_runs(limit=4)
    assert _ids(await history.list_runs(before=first[-1].num, limit=4)) == "ba"


async def test_filters_can_be_combined(history: Store) -> None:
    assert _ids(await history.list_runs(flow="g")) == "fdb"
    assert _ids(await history.list_runs(tag="even")) == "fdb"
    assert _ids(await history.list_runs(tag="even", flow="f")) == ""
    assert _ids(await history.list_runs(states=[RunState.FAILED, RunState.WAITING, RunState.SUCCEEDED])) == "dba"
    assert _ids(await history.list_runs(states=[RunState.FAILED, RunState.QUEUED], flow="g", limit=1)) == "f"
    last = await history.find("f")
    assert last is not None
    assert _ids(await history.list_runs(states=list(RunState), tag="even", flow="g", before=last.num)) == "db"


async def test_unfinished_runs_oldest_first(history: Store) -> None:
    assert _ids(await history.unfinished()) == "cdef"
    assert _ids(await history.unfinished(flow="g")) == "df"


async def test_only_unfinished_runs_are_counted(history: Store) -> None:
    assert await history.count_runs() == {
        RunState.QUEUED: 1,
        RunState.RUNNING: 1,
        RunState.WAITING: 1,
        RunState.DIVERGED: 1,
    }


async def test_log_lines_come_back_in_order_with_positions(store: Store) -> None:
    run, other = await claimed(store), await claimed(store, "other")
    await write_as(store, run, log(run, "one"), log(run, "two"))
    await write_as(store, other, log(other, "elsewhere"))
    await write_as(store, run, log(run, "three"))
    lines = await store.logs(run.num)
    assert [line for _, line in lines] == [log(run, "one"), log(run, "two"), log(run, "three")]
    assert await store.logs(run.num, after=lines[0][0]) == lines[1:]
    assert await store.logs(run.num, limit=1) == lines[:1]


async def test_the_last_lines_of_many_runs_come_in_one_answer(store: Store) -> None:
    one, two, _ = [await claimed(store, name) for name in ("one", "two", "none")]
    lines = [entry(one, seq) for seq in range(5)]
    wait = entry(one, 5, kind=WAIT, name="sleep", outcome=PENDING, value=b"7")
    await write_as(store, one, *lines, wait)
    failed = entry(two, 0, kind=ATTEMPT, value=b'{"retry_at":8}')
    await write_as(store, two, failed)
    found = await store.last_lines([two.num, one.num, 999], each=3)
    assert [*found] == [lines[3]._replace(value=b""), lines[4]._replace(value=b""), wait, failed]
    assert [*await store.last_lines([], each=3)] == []


async def test_children_that_have_not_ended(store: Store) -> None:
    parents = [await claimed(store, name) for name in ("p", "q")]
    children = [await claimed(store, f"c{n}", parent=parents[n % 2].num) for n in range(6)]
    await write_as(store, children[0], Ended(children[0].num, RunState.SUCCEEDED, b"1", None, None, 200))
    await write_as(store, children[2], Ended(children[2].num, RunState.DIVERGED, None, None, b"{}", 200))
    nums = [parent.num for parent in parents]
    assert [child.id for child in await store.open_children(nums, each=5)] == ["c2", "c4", "c1", "c3", "c5"]
    few = await store.open_children(nums, each=1)
    assert sorted(child.parent or 0 for child in few) == nums
    assert [*await store.open_children([], each=1)] == []
