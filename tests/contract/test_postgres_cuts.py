"""Connections are cut while something is under way: nothing is lost, and nothing is done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from engine.model.change import Ended, Exported, Parked, Released
from engine.model.limits import Occupied
from engine.model.run import RunState
from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.contract.harness import claimed, entry, found, log, new_run, node, write_as
from tests.support import relay
from tests.support.proxy import Cut, Proxy

CUTS: list[Cut] = ["request", "answer"]

MESSAGE = b"EXECUTE"
"""What is in a message of several statements, and not in those that the driver prepares."""

SYNC = b"S\0\0\0\4"
"""What the driver says at the end of a statement, however many packets it takes."""


@pytest_asyncio.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    async with relay.opened(Proxy(urlsplit(url).port or 5432)) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def store(url: str, proxy: Proxy) -> AsyncIterator[Store]:
    """The store, reached through the proxy."""
    async with opened(PostgresStore(proxy.url(url))) as store:
        yield store


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("size", [1, 3, 1100])
async def test_lines_are_there_once(store: Store, proxy: Proxy, cut: Cut, size: int) -> None:
    run = await claimed(store)
    before = [entry(run, n) for n in range(min(size, 2))]
    await write_as(store, run, *before)
    proxy.having, proxy.cut = SYNC, cut
    lines = [entry(run, 2 + n) for n in range(size)]
    assert await write_as(store, run, *lines) == frozenset()
    assert proxy.cuts == 1
    assert await store.read(run.num) == [*before, *lines]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("lines", [0, 1, 1100])
async def test_a_run_ends_once_and_its_log_is_not_doubled(store: Store, proxy: Proxy, cut: Cut, lines: int) -> None:
    run = await claimed(store)
    await write_as(store, run, log(run, "before"))
    proxy.having, proxy.cut = SYNC, cut
    ended = Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 400)
    assert await write_as(store, run, *(entry(run, n) for n in range(lines)), log(run, "last"), ended) == frozenset()
    assert proxy.cuts == 1
    assert len(await store.read(run.num)) == lines
    assert [line.message for _, line in await store.logs(run.num)] == ["before", "last"]
    assert (await found(store, run)).state is RunState.SUCCEEDED


@pytest.mark.parametrize("cut", CUTS)
async def test_log_lines_alone_are_not_doubled(store: Store, proxy: Proxy, cut: Cut) -> None:
    run = await claimed(store)
    await write_as(store, run, log(run, "before"))
    proxy.having, proxy.cut = SYNC, cut
    assert await write_as(store, run, log(run, "one"), log(run, "two")) == frozenset()
    assert proxy.cuts == 1
    assert [line.message for _, line in await store.logs(run.num)] == ["before", "one", "two"]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("change", [Parked(1, 900, 0), Released(1), Exported(1, 5)], ids=lambda c: type(c).__name__)
async def test_other_changes_are_made(
    store: Store, proxy: Proxy, cut: Cut, change: Parked | Released | Exported
) -> None:
    run = await claimed(store)
    await write_as(store, run, log(run, "before"))
    proxy.having, proxy.cut = MESSAGE if isinstance(change, Parked) else SYNC, cut
    assert await write_as(store, run, change) == frozenset()
    assert proxy.cuts == 1
    now = await found(store, run)
    match change:
        case Parked():
            assert (now.state, now.wake_at) == (RunState.WAITING, 900)
        case Released():
            assert now.state is RunState.QUEUED
        case Exported():
            assert now.exported == 5


@pytest.mark.parametrize("cut", CUTS)
async def test_a_fenced_batch_stays_fenced(store: Store, proxy: Proxy, cut: Cut) -> None:
    stale, mine = await claimed(store), await claimed(store, "mine")
    await write_as(store, stale, Released(stale.num))
    await store.claim("node", now=200, limit=1, flows=["f"], only=[stale.num])
    proxy.having, proxy.cut = SYNC, cut
    assert await write_as(store, stale, log(stale, "no"), entry(stale, 0)) == {stale.num}
    assert await write_as(store, mine, entry(mine, 0)) == frozenset()
    assert await store.read(stale.num) == []
    assert await store.logs(stale.num) == []


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("lane", [None, "x"])
@pytest.mark.parametrize("occupied", ["queue", "skip", "replace"])
async def test_a_run_is_created_once_by_the_one_who_asked(
    store: Store, proxy: Proxy, cut: Cut, lane: str | None, occupied: Occupied
) -> None:
    await store.create(new_run("before", lane="before"))
    proxy.cut = cut
    run, new = await store.create(new_run("a", lane=lane, occupied=occupied))
    assert proxy.cuts == 1
    assert new
    assert await store.find("a") == run
    assert len(await store.list_runs()) == 2
    assert (await store.create(new_run("a", lane=lane, occupied=occupied)))[1] is False


@pytest.mark.parametrize("cut", CUTS)
async def test_what_a_lost_claim_took_is_not_forgotten(store: Store, proxy: Proxy, cut: Cut) -> None:
    await store.join(node())
    for name in ("a", "b"):
        await store.create(new_run(name))
    await store.claim("node", now=150, limit=1, flows=["f"])
    proxy.cut = cut
    (taken,) = await store.claim("node", now=150, limit=5, flows=["f"])
    assert proxy.cuts == 1
    assert (taken.id, taken.state, taken.epoch) == ("b", RunState.RUNNING, 1)
    assert await store.claim("node", now=150, limit=5, flows=["f"]) == []
    assert await write_as(store, taken, entry(taken, 0)) == frozenset()


async def test_a_claim_that_arrives_late_takes_nothing_from_sight(store: Store, proxy: Proxy) -> None:
    await store.join(node())
    await store.create(new_run("a"))
    await store.claim("node", now=150, limit=1, flows=["f"])
    proxy.cut = "late"
    assert await store.claim("node", now=150, limit=5, flows=["f"]) == []
    late, _ = await store.create(new_run("late"))
    await proxy.release()
    assert (await found(store, late)).owner == "node"
    assert [run.id for run in await store.claim("node", now=150, limit=5, flows=["f"])] == ["late"]
    assert await store.claim("node", now=150, limit=5, flows=["f"]) == []


@pytest.mark.parametrize("size", [1, 3])
async def test_lines_that_arrive_late_are_refused(store: Store, proxy: Proxy, size: int) -> None:
    run = await claimed(store)
    await write_as(store, run, *(entry(run, n) for n in range(size)))
    proxy.cut = "late"
    lines = [entry(run, size + n) for n in range(size)]
    assert await write_as(store, run, *lines) == frozenset()
    await write_as(store, run, log(run, "later"), Exported(run.num, 1))
    await proxy.release()
    assert (await store.read(run.num))[size:] == lines


@pytest.mark.parametrize("cut", CUTS)
async def test_a_signal_arrives_once(store: Store, proxy: Proxy, cut: Cut) -> None:
    run = await claimed(store)
    proxy.having, proxy.cut = MESSAGE, cut
    await store.signal("run", "go", b"1", now=200)
    assert proxy.cuts == 1
    assert len(await store.signals(run.num)) == 1


@pytest.mark.parametrize("cut", CUTS)
async def test_the_rest_of_a_node_s_life(store: Store, proxy: Proxy, cut: Cut) -> None:
    await store.nodes()
    proxy.having, proxy.cut = b"", cut
    await store.join(node())
    run, _ = await store.create(new_run())
    proxy.having, proxy.cut = MESSAGE, cut
    assert await store.acquire("db", 1, node="node", run=run.num, key="k")
    assert len(await store.holders()) == 1
    proxy.cut = cut
    assert (await store.cancel("run", "stop", now=200)).state is RunState.CANCELLED
    proxy.cut = cut
    await store.leave("node")
    assert proxy.cuts == 4
    assert await store.nodes() == []
    assert await store.holders() == []
