"""Lists of runs, counts and log lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.model.change import Ended, Parked
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from tests.contract.harness import claimed, log, new_run, write_as


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
