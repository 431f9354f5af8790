"""A node: it does not turn for nothing, hears of every end, stops by itself when it was declared dead, and says so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, HeadraceError, flow, task, wait_for
from engine.model.entry import Entry
from engine.model.errors import Fenced
from engine.model.limits import ANY, Takes
from engine.model.run import RunRecord, RunState, Signal
from engine.settings import NodeSettings
from engine.stores.blobs import MemoryBlobs
from engine.stores.sqlite import SQLiteStore
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state

gate: asyncio.Event


@pytest.fixture(autouse=True)
async def closed_gate() -> None:
    global gate
    gate = asyncio.Event()


@task
async def stays() -> None:
    await gate.wait()


@flow
async def busy() -> str:
    await stays()
    return "done"


leaving: list[str] = []


@flow
async def slow_to_leave() -> None:
    try:
        await stays()
    finally:
        leaving.append("leaving")
        await gate.wait()


@flow
async def quick(number: int) -> int:
    return number


class Counting(SQLiteStore):
    """A store that counts how often it is asked what is due."""

    asked = 0

    async def next_due(self, *, flows: Collection[str], takes: Takes = ANY) -> int | None:
        self.asked += 1
        return await super().next_due(flows=flows, takes=takes)


async def test_a_full_node_waits_for_room_without_turning(path: Path) -> None:
    store = Counting(path)
    settings = NodeSettings(concurrency=1)
    async with Engine(store, flows=[busy, quick], settings=settings, blobs=MemoryBlobs()) as engine:
        first = await engine.start(busy.bind())
        await until(lambda: engine.node.sessions)
        second = await engine.start(quick.bind(2))
        before = store.asked
        for _ in range(2000):
            await asyncio.sleep(0)
        assert store.asked - before < 50
        gate.set()
        assert await first.result() == "done"
        assert await second.result() == 2


async def test_the_ends_of_many_runs_elsewhere_are_all_heard_of(make_engine: MakeEngine) -> None:
    async with make_engine() as watches, make_engine(quick) as runs:
        started = [await watches.start(quick.bind(number)) for number in range(350)]
        async with asyncio.timeout(30):
            results = await asyncio.gather(*(run.result() for run in started))
        assert results == list(range(350))
        assert runs.node.sessions == {}


async def test_who_stops_waiting_for_a_result_leaves_nothing_behind(make_engine: MakeEngine) -> None:
    async with make_engine(busy) as engine:
        run = await engine.start(busy.bind())
        await until(lambda: engine.node.sessions)
        for _ in range(20):
            waiting = asyncio.ensure_future(run.result())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert len(engine.node.ends) == 0
        gate.set()
        assert await run.result() == "done"


async def test_a_node_declared_dead_stops_and_tells_those_who_wait(make_engine: MakeEngine, path: Path) -> None:
    engine = make_engine(busy, rescue_every=timedelta(milliseconds=10))
    await engine.__aenter__()
    run = await engine.start(busy.bind())
    await until(lambda: engine.node.sessions)
    waiting = asyncio.ensure_future(run.result())
    with closing(sqlite3.connect(path, timeout=10)) as db, db:
        db.execute("DELETE FROM node")
    for _ in range(2):  # those who wait, and those who ask later
        with pytest.raises(HeadraceError, match=r"node stopped before .*Fenced: .* declared dead"):
            await waiting
        waiting = asyncio.ensure_future(run.result())
    with pytest.raises(Fenced, match="declared dead"):
        await engine.__aexit__(None, None, None)
    with pytest.raises(HeadraceError):
        await waiting


async def test_a_cancel_request_that_comes_while_a_run_is_being_loaded_is_heard(path: Path) -> None:
    loading, go_on = asyncio.Event(), asyncio.Event()

    class Slow(SQLiteStore):
        async def signals(self, run: int, *, after: int = 0) -> Sequence[Signal]:
            loading.set()
            await go_on.wait()
            return await super().signals(run, after=after)

    store = Slow(path)
    settings = NodeSettings(poll=timedelta(hours=1))
    async with Engine(store, flows=[busy], settings=settings, blobs=MemoryBlobs()) as engine:
        run = await engine.start(busy.bind())
        await loading.wait()
        await run.cancel("at once")
        await engine.node.look()
        go_on.set()
        await until_state(run, RunState.CANCELLED)


@flow
async def waits() -> str:
    return await wait_for("go", str)


async def test_two_engines_on_one_loop_do_not_disturb_each_other(tmp_path: Path) -> None:
    first = Engine(f"sqlite:///{tmp_path}/a.db", flows=[waits])
    second = Engine(f"sqlite:///{tmp_path}/b.db", flows=[waits])
    async with first:
        async with second:
            one, two = await first.start(waits.bind()), await second.start(waits.bind())
            await two.signal("go", "two")
            assert await two.result() == "two"
        await one.signal("go", "one")
        assert await one.result() == "one"
        plain = asyncio.get_running_loop().create_task(asyncio.sleep(0))
        await plain
        assert type(plain) is asyncio.Task
    assert asyncio.get_running_loop().get_task_factory() is None


class OnItsWay(SQLiteStore):
    """A store whose answers to a claim, or to a journal, are long under way."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, durability="power")
        self.slow: set[str] = set()
        self.asked: list[str] = []
        self.arrives = asyncio.Event()

    async def claim(self, node: str, **options: Any) -> Sequence[RunRecord]:
        found = await super().claim(node, **options)
        await self._travel("claim", *found)
        return found

    async def read(self, run: int) -> Sequence[Entry]:
        await self._travel("read", run)
        return await super().read(run)

    async def _travel(self, what: str, *found: object) -> None:
        if what in self.slow and found:
            self.asked.append(what)
            await self.arrives.wait()


@pytest.mark.parametrize("answer", ["claim", "read"])
async def test_a_run_on_its_way_into_memory_is_handed_over_before_others_have_left(path: Path, answer: str) -> None:
    leaving.clear()
    store = OnItsWay(path)
    async with Engine(store, flows=[slow_to_leave, quick], blobs=MemoryBlobs()) as engine:
        await engine.start(slow_to_leave.bind(), id="slow")
        await until(lambda: engine.node.sessions)
        store.slow.add(answer)
        run = await engine.start(quick.bind(1), id="on its way")
        await until(lambda: store.asked)
        await until_state(run, RunState.RUNNING)
        serving = engine._serving
        assert serving is not None
        serving.cancel()
        await until(lambda: leaving)
        store.arrives.set()
        await until_state(run, RunState.QUEUED)
        assert [node.id for node in await store.nodes()] == [engine.node.id], "the other one has not left yet"
        gate.set()


async def test_who_is_told_to_stop_twice_still_hands_over(make_engine: MakeEngine) -> None:
    """By a cancellation of asyncio's own, which no shield of anyio's holds off."""
    leaving.clear()
    async with make_engine(slow_to_leave) as engine:
        await engine.start(slow_to_leave.bind(), id="s")
        await until(lambda: engine.node.sessions)
        serving = engine._serving
        assert serving is not None
        serving.cancel()
        await until(lambda: leaving)
        serving.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert await engine.store.nodes() == []
        record = await engine.store.find("s")
        assert record is not None
        assert (record.state, record.owner) == (RunState.QUEUED, None)
