"""A lease is kept by a thread, judged by the server's clock, and lost for good."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from time import monotonic

import pytest

from engine.model.errors import Fenced
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Door
from engine.stores.postgres.statements import statement
from tests.contract.conftest import opened
from tests.contract.harness import claimed, entry, node, write_as
from tests.support.polling import until
from tests.support.postgres import execute, let_expire, rows

LEASE = timedelta(seconds=0.6)


async def test_a_dead_node_s_lease_runs_out(url: str) -> None:
    dying = PostgresStore(url, lease=LEASE)
    async with opened(PostgresStore(url, lease=LEASE)) as other:
        await dying.open()
        run = await claimed(dying)
        await dying.close()
        died = monotonic()
        assert await other.rescue(crash_limit=3, now=200) == []
        rescued: list[int] = []

        async def is_rescued() -> bool:
            rescued.extend(found.num for found in await other.rescue(crash_limit=3, now=200))
            return bool(rescued)

        await until(is_rescued, 10, every=0.02)
        assert rescued == [run.num]
        assert monotonic() - died < LEASE.total_seconds() + 1


async def test_a_blocked_loop_does_not_cost_the_lease(url: str) -> None:
    async with opened(PostgresStore(url, lease=LEASE)) as store:
        await store.join(node())
        time.sleep(3 * LEASE.total_seconds())  # noqa: ASYNC251 - the loop stands still, and that is the point
        assert [known.alive for known in await store.nodes()] == [True]
        await store.beat("node")


async def test_who_was_buried_learns_it_and_stays_so(url: str) -> None:
    async with opened(PostgresStore(url, lease=LEASE)) as store, opened(PostgresStore(url)) as other:
        run = await claimed(store)
        await let_expire(url, "node")
        rescued = await other.rescue(crash_limit=3, now=200)
        if not rescued:  # it was just renewing its lease
            await let_expire(url, "node")
            rescued = await other.rescue(crash_limit=3, now=200)
        assert [found.num for found in rescued] == [run.num]
        await asyncio.sleep(LEASE.total_seconds())  # a renewal comes round, and revives nothing
        with pytest.raises(Fenced, match="node"):
            await store.beat("node")
        with pytest.raises(Fenced, match="node"):
            await store.acquire("db", 1, node="node", run=run.num, key="k")
        assert await write_as(store, run, entry(run, 0)) == {run.num}
        assert await other.nodes() == []


async def test_who_was_buried_does_not_free_the_slot_of_who_took_over(url: str) -> None:
    async with opened(PostgresStore(url, lease=LEASE)) as store, opened(PostgresStore(url)) as other:
        run = await claimed(store)
        assert await store.acquire("db", 1, node="node", run=run.num, key="k")
        await other.join(node("second"))
        while not await other.rescue(crash_limit=3, now=200):  # else it was just renewing its lease
            await let_expire(url, "node")
        assert await other.acquire("db", 1, node="second", run=run.num, key="k")
        await store.release("db", run=run.num, key="k")
        assert await other.holders() == [("db", run.num, "k", "second")]


async def test_an_expired_lease_that_nobody_noticed_is_renewed(url: str) -> None:
    async with opened(PostgresStore(url, lease=LEASE)) as store:
        await store.join(node())
        await let_expire(url, "node")

        async def is_renewed() -> bool:
            return (await store.nodes())[0].alive

        await until(is_renewed, 10, every=0.02)
        await store.beat("node")


async def test_the_clocks_of_nodes_do_not_matter(url: str) -> None:
    """What a node says is its time reaches neither its lease nor anybody's judgement of it."""
    async with opened(PostgresStore(url)) as store, opened(PostgresStore(url)) as other:
        run = await claimed(store)
        for now in (0, 1 << 62):
            assert await other.rescue(crash_limit=3, now=now) == []
        assert [known.alive for known in await other.nodes()] == [True]
        assert await write_as(store, run, entry(run, 0)) == frozenset()


async def test_locks_of_a_frozen_process_do_not_hold_up_the_rescue(url: str) -> None:
    async with opened(PostgresStore(url)) as frozen, opened(PostgresStore(url)) as other:
        run = await claimed(frozen)
        ((name,),) = await rows(url, "SELECT token FROM headrace.node")
        address = Address.parse(url)
        stuck = await Door(address, str(name)).connect()
        await stuck.execute("BEGIN")
        await stuck.execute(address.sql("SELECT 1 FROM headrace.run WHERE num = $1 FOR SHARE"), run.num)
        await let_expire(url, "node")
        async with asyncio.timeout(3):
            assert [found.num for found in await other.rescue(crash_limit=3, now=200)] == [run.num]
        stuck.terminate()


async def test_a_frozen_process_in_a_pool_does_not_hold_up_a_node_that_leaves(url: str) -> None:
    async with opened(PostgresStore(url)) as store:
        await store.join(node())
        assert await store.acquire("db", 1, node="node", run=1, key="k")
        await store.release("db", run=1, key="k")
        address = Address.parse(url)
        stuck = await Door(address, "frozen").connect()
        await stuck.execute("BEGIN")
        await stuck.execute(address.sql(statement("lock_pools")), ["db"])
        asking = [asyncio.ensure_future(store.acquire("db", 1, node="node", run=n, key="k")) for n in range(4)]
        locked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await until(lambda: rows(url, locked), 10, every=0.005)
        for one in asking:
            one.cancel()
        await asyncio.wait(asking)
        async with asyncio.timeout(2):  # a frozen process may stay in its transaction for longer
            await store.leave("node")
        stuck.terminate()


async def test_after_a_start_of_the_server_everybody_may_come_back(url: str) -> None:
    """A node that could not renew its lease while the server was away is not dead for that."""
    async with opened(PostgresStore(url)) as store, opened(PostgresStore(url)) as other:
        run = await claimed(store)
        await execute(url, "UPDATE headrace.node SET renewed = pg_postmaster_start_time() - interval '1 s'")
        await let_expire(url, "node")
        ((up,),) = await rows(url, "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8")
        assert isinstance(up, float)
        rescued = await other.rescue(crash_limit=3, now=200)
        assert [found.num for found in rescued] == ([run.num] if up > 20 else [])
