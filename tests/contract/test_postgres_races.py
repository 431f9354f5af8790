"""Batches and what others do to the same runs at the same moment on PostgreSQL, held in the middle: neither is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from engine.model.change import Change, Ended, Exported, Parked, Released
from engine.model.errors import Fenced
from engine.model.run import RunState
from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.contract.harness import batch_of, claimed, entry, found, handed_over, log, new_run, write, write_as
from tests.support import relay
from tests.support.polling import until
from tests.support.postgres import in_the_middle, let_expire, until_blocked
from tests.support.proxy import Proxy

CANCEL = "UPDATE headrace.run SET cancel = 'enough' WHERE id = 'run'"
TAKE_OVER = "UPDATE headrace.run SET epoch = epoch + 1 WHERE id = 'run'"
HOLD = "SELECT 1 FROM headrace.run WHERE id = 'run' FOR UPDATE"
RENEW = "UPDATE headrace.node SET expires = clock_timestamp() + interval '20 s' WHERE id = 'node'"
CLAIM = """\
WITH member AS MATERIALIZED (SELECT id FROM headrace.node WHERE id = 'node' FOR KEY SHARE)
UPDATE headrace.run SET state = 'running', due = NULL, owner = member.id, epoch = 1 FROM member
WHERE run.id = 'second'"""
WRITE = """\
INSERT INTO headrace.journal
SELECT num, 0, 0, 'task', 'k', 'n', '', 1, 1, 1, 1, 0, 'ok', 'x', NULL, 1 FROM headrace.run WHERE id = 'run'"""
PARK = "UPDATE headrace.run SET state = 'waiting', owner = NULL, claim = NULL WHERE id = 'parent'"
SIGNAL = "INSERT INTO headrace.signal SELECT 1, num, 'go', '1', 1, 1 FROM headrace.run WHERE id = 'run'"


@pytest_asyncio.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    async with relay.opened(Proxy(urlsplit(url).port or 5432)) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def store(url: str, proxy: Proxy) -> AsyncIterator[Store]:
    async with opened(PostgresStore(proxy.url(url))) as store:
        yield store


@pytest.mark.parametrize(
    "change",
    [Ended(1, RunState.SUCCEEDED, b"1", None, None, 300), Released(1), Exported(1, 7), Parked(1, None, 0)],
    ids=lambda change: type(change).__name__,
)
async def test_a_run_that_was_asked_to_end_meanwhile_is_written_for(store: Store, url: str, change: Change) -> None:
    run = await claimed(store)
    async with in_the_middle(url, CANCEL) as asking:
        writing = asyncio.ensure_future(write_as(store, run, entry(run, 0), entry(run, 1), log(run, "on"), change))
        await until_blocked(store, url)
        await asking.execute("COMMIT")
        assert await writing == frozenset()
    now = await found(store, run)
    assert now.cancel == "enough"
    assert await store.read(run.num) == [entry(run, 0), entry(run, 1)]
    assert len(await store.logs(run.num)) == 1
    match change:
        case Exported():
            assert (now.state, now.exported) == (RunState.RUNNING, 7)
        case Ended():
            assert (now.state, now.result, now.owner) == (RunState.SUCCEEDED, b"1", None)
        case _:
            assert (now.state, now.owner) == (RunState.QUEUED, None)


async def test_a_parent_that_has_just_parked_is_woken_by_the_end_of_its_child(store: Store, url: str) -> None:
    parent = await claimed(store, "parent")
    child = await claimed(store, "child", parent=parent.num)
    async with in_the_middle(url, PARK) as parking:
        over = Ended(child.num, RunState.SUCCEEDED, b"1", None, None, 300)
        marks = (Exported(parent.num, 3), Exported(child.num, 4))
        epochs = {child.num: child.epoch, parent.num: parent.epoch}
        writing = asyncio.ensure_future(write(store, over, *marks, epochs=epochs))
        await until_blocked(store, url)
        await parking.execute("COMMIT")
        assert await writing == frozenset()
    woken, ended = await found(store, parent), await found(store, child)
    assert (woken.state, woken.wake_at, woken.exported) == (RunState.QUEUED, None, 3)
    assert (ended.state, ended.exported) == (RunState.SUCCEEDED, 4)


@pytest.mark.parametrize("more", [{}, {"lane": "l"}, {"lane": "l", "occupied": "replace"}], ids=["", "lane", "replace"])
async def test_no_child_is_made_of_a_run_that_is_just_being_taken_over(
    store: Store, url: str, more: dict[str, Any]
) -> None:
    run = await claimed(store)
    before, _ = await store.create(new_run("before", lane="l"))
    async with in_the_middle(url, TAKE_OVER) as taking:
        new = new_run("child", parent=run.num, parent_epoch=run.epoch, **more)
        making = asyncio.ensure_future(store.create(new))
        await until_blocked(store, url)
        await taking.execute("COMMIT")
        with pytest.raises(Fenced):
            await making
    assert await store.find("child") is None
    assert await found(store, before) == before


async def test_a_run_that_parks_while_a_signal_is_sent_is_queued(store: Store, url: str) -> None:
    run = await claimed(store)
    async with in_the_middle(url, HOLD, SIGNAL) as sending:
        parking = asyncio.ensure_future(write_as(store, run, Parked(run.num, None, 0)))
        await until_blocked(store, url)
        await sending.execute("COMMIT")
        assert await parking == frozenset()
    assert (await found(store, run)).state is RunState.QUEUED


async def test_an_end_that_was_given_up_and_comes_first_after_all_is_no_other_owner_s(
    store: Store, proxy: Proxy, url: str
) -> None:
    run = await claimed(store)
    await write_as(store, run, log(run, "before"))
    proxy.cut = "late"
    over = Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 300)
    async with in_the_middle(url, HOLD) as holding:
        ending = handed_over(store, batch_of(over, epochs={run.num: run.epoch}))
        await until(lambda: proxy.cuts)
        late = asyncio.ensure_future(proxy.release())
        await until_blocked(store, url, times=2)
        await holding.execute("COMMIT")
        assert await ending == frozenset()
        await late


async def test_a_node_that_is_just_renewing_its_lease_is_not_buried(store: Store, url: str) -> None:
    run = await claimed(store)
    async with opened(PostgresStore(url)) as other:
        await let_expire(url, "node")
        async with in_the_middle(url, RENEW) as renewing:
            assert await other.rescue(crash_limit=3, now=200) == []
            await renewing.execute("COMMIT")
        assert await other.rescue(crash_limit=3, now=200) == []
    assert await found(store, run) == run


async def test_what_a_node_does_while_it_is_being_buried_counts(store: Store, url: str) -> None:
    first = await claimed(store)
    await store.create(new_run("second"))
    rescued: dict[str, int] = {}
    async with opened(PostgresStore(url)) as other:

        async def rescue() -> bool:
            rescued.update({run.id: run.crashes for run in await other.rescue(crash_limit=9, now=200)})
            return bool(rescued)

        await let_expire(url, "node")
        async with in_the_middle(url, CLAIM, WRITE) as going_on:
            burying = asyncio.ensure_future(until(rescue))
            await until_blocked(other, url)
            await going_on.execute("COMMIT")
            await burying
    assert rescued == {"run": 1, "second": 1}
    assert len(await store.read(first.num)) == 1
