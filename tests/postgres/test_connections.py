"""Connections: few serve a burst, since a new one costs more than the wait; whoever waits long gets another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from engine.stores.postgres import database as module
from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.database import CONNECTIONS, FEW, Database
from tests.support import postgres
from tests.support.polling import until

NAME = "a test of connections"


@pytest_asyncio.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(Door(Address.parse(url), NAME))
    yield database
    await database.close()


async def opened(url: str) -> int:
    """How many connections of the database there are."""
    ((count,),) = await postgres.rows(url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", NAME)
    assert isinstance(count, int)
    return count


async def brief(connection: Connection) -> None:
    await asyncio.sleep(0)


async def test_a_burst_is_served_by_few(database: Database, url: str) -> None:
    await asyncio.gather(*(database.converse(lambda connection, _: brief(connection)) for _ in range(FEW)))
    await asyncio.gather(*(database.converse(lambda connection, _: brief(connection)) for _ in range(40)))
    assert await opened(url) == FEW


async def test_who_waits_long_gets_another(database: Database, url: str) -> None:
    inside, all_inside = 0, asyncio.Event()

    async def until_all_are_inside(_: Connection, __: bool) -> None:
        nonlocal inside
        inside += 1
        if inside == CONNECTIONS:
            all_inside.set()
        await all_inside.wait()

    async with asyncio.timeout(60):
        await asyncio.gather(*(database.converse(until_all_are_inside) for _ in range(CONNECTIONS)))
    assert await opened(url) == CONNECTIONS


async def test_much_waiting_in_all_is_worth_another(database: Database, url: str) -> None:
    """Each waits a little only, again and again."""

    async def pause(_: Connection, __: bool) -> None:
        await asyncio.sleep(module.HESITATES / 10)

    async with asyncio.timeout(60):
        while await opened(url) <= FEW:
            await asyncio.gather(*(database.converse(pause) for _ in range(2 * FEW)))


async def test_a_cancelled_wait_keeps_nobody_from_the_connection(database: Database) -> None:
    inside, release = 0, asyncio.Event()

    async def hold(_: Connection, __: bool) -> None:
        nonlocal inside
        inside += 1
        await release.wait()

    holders = [asyncio.ensure_future(database.converse(hold)) for _ in range(FEW)]
    await until(lambda: inside == FEW)
    waiting = [asyncio.ensure_future(database.converse(lambda connection, _: brief(connection))) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    release.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*holders, waiting[1])
    assert waiting[0].cancelled()
