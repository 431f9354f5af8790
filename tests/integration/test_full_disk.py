"""A disk full in the middle of a run: a clear error, nothing acknowledged lost, and it goes on when there is room."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from engine import Engine, Pool, flow, task
from engine.model.errors import StoreFull
from engine.model.run import NewRun, RunRecord, RunState
from engine.settings import NodeSettings
from engine.stores.blobs import MemoryBlobs
from engine.stores.sqlite import SQLiteStore
from tests.integration.conftest import MakeEngine
from tests.support.polling import until_state

executed: list[int] = []


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    executed.clear()


@task
async def produce(number: int) -> str:
    executed.append(number)
    return f"{number}" * 2000


@flow
async def greedy() -> int:
    return sum([len(await produce(number)) for number in range(40)])


def pages(engine: Engine, room: int) -> None:
    """Let the file grow by at most so many pages, as a disk would that has no more."""
    store = engine.store
    assert isinstance(store, SQLiteStore)
    for connection in (store._db.connection, store._db.writer._connection):
        (size,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {size + room}").fetchone()


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_the_run_stops_says_why_and_goes_on_in_the_same_process(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture, durability: str
) -> None:
    async with make_engine(greedy, durability=durability, rescue_every=timedelta(milliseconds=20)) as engine:
        pages(engine, 30)
        run = await engine.start(greedy.bind())
        with pytest.raises(StoreFull):
            await run.result()
        assert f"run {run.id} of greedy stopped, the store failed" in caplog.text
        assert not engine.node.sessions
        recorded = {line.args: line for line in await engine.store.read(run.num) if line.outcome == "ok"}
        assert 0 < len(recorded) < 40
        pages(engine, 10_000)
        assert await (await engine.get(run.id)).result() == sum(2000 * len(str(number)) for number in range(40))
    again = {number for number in executed if executed.count(number) > 1}
    assert not again & {int(args.removeprefix("number=")) for args in recorded}


async def test_another_process_finds_all_that_was_acknowledged(make_engine: MakeEngine) -> None:
    async with make_engine(greedy) as engine:
        pages(engine, 30)
        run = await engine.start(greedy.bind(), id="big")
        with pytest.raises(StoreFull):
            await run.result()
        done = list(executed)
        pages(engine, 10_000)
    async with make_engine(greedy) as engine:
        await (await engine.get("big")).result()
    assert executed[len(done) :][0] in (done[-1], done[-1] + 1), "it went on where it had stopped"


@flow
async def gated() -> str:
    return await through_a_pool()


@task(pool=Pool("door", 1))
async def through_a_pool() -> str:
    return "through"


class RefusesOnce(SQLiteStore):
    """A store that cannot give a slot, and cannot make a child run, the first time it is asked."""

    refused: ClassVar[list[str]]

    def refuse(self, what: str) -> None:
        if what not in self.refused:
            self.refused.append(what)
            raise StoreFull(f"no room for a {what}")

    async def acquire(self, pool: str, slots: int, *, node: str, run: int, key: str) -> bool:
        self.refuse("slot")
        return await super().acquire(pool, slots, node=node, run=run, key=key)

    async def create(self, run: NewRun) -> tuple[RunRecord, bool]:
        if run.parent is not None:
            self.refuse("child")
        return await super().create(run)


@flow
async def parent() -> str:
    try:
        return await gated()
    except StoreFull:
        return "the flow was told, and would not replay"


async def test_slots_and_children_refused_are_no_failure_of_the_flow(path: Path) -> None:
    store = RefusesOnce(path)
    RefusesOnce.refused = []
    settings = NodeSettings(rescue_every=timedelta(milliseconds=10))
    async with Engine(store, flows=[parent, gated], settings=settings, blobs=MemoryBlobs()) as engine:
        run = await engine.start(parent.bind())
        await until_state(run, RunState.SUCCEEDED)
        assert await run.result() == "through"
        assert store.refused == ["child", "slot"]
