"""A process that is frozen between two of its messages keeps nobody from a pool, a lane, or its own runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import nullcontext
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from engine.model.change import Ended
from engine.model.limits import Occupied, Pool, Takes
from engine.model.run import RunState
from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.contract.harness import claimed, entry, log, new_run, node, write_as
from tests.support.freezer import Freezer, freezer
from tests.support.pooler import pooler

SLOTS = 100
SOON = 2.0
"""Seconds in which nobody comes to what a transaction that waits for its client has locked."""

Asking: TypeAlias = Callable[[Store, str, int], Awaitable[object]]


@pytest.fixture(params=["straight", "behind a pooler"])
def way(request: pytest.FixtureRequest, url: str) -> Iterator[str]:
    """The URL by which a client comes to the store."""
    with nullcontext(url) if request.param == "straight" else pooler(url) as way:
        yield way


@pytest_asyncio.fixture
async def cold(way: str) -> AsyncIterator[Freezer]:
    async with freezer(urlsplit(way).port or 5432) as cold:
        yield cold


@pytest_asyncio.fixture
async def stiff(way: str, cold: Freezer) -> AsyncIterator[Store]:
    """The store as a process has it that will be frozen."""
    parts = urlsplit(way)
    through = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{cold.port}")).geturl()
    async with opened(PostgresStore(through)) as store:
        await store.join(node("stiff"))
        yield store


@pytest_asyncio.fixture
async def nimble(url: str, stiff: Store) -> AsyncIterator[Store]:
    """The same store, seen by a process that is well."""
    async with opened(PostgresStore(url)) as store:
        await store.join(node("nimble"))
        yield store


async def frozen_everywhere(cold: Freezer, stiff: Store, nimble: Store, ask: Asking) -> int:
    """Freeze one process after each of the messages by which it asks; the other asks meanwhile. Answers how often."""
    await ask(stiff, "stiff", 0)
    for messages in range(SLOTS // 2):
        cold.freeze_after(messages)
        asking = asyncio.ensure_future(ask(stiff, "stiff", 2 * messages + 1))
        standing = asyncio.ensure_future(cold.frozen.wait())
        await asyncio.wait([asking, standing], return_when=asyncio.FIRST_COMPLETED)
        standing.cancel()
        if cold.frozen.is_set():
            async with asyncio.timeout(SOON):
                assert await ask(nimble, "nimble", 2 * messages + 2)
        cold.thaw()
        assert await asking
        if not cold.frozen.is_set():
            return messages
    raise AssertionError("it never ends")


async def test_a_slot_is_taken_while_another_process_is_frozen(cold: Freezer, stiff: Store, nimble: Store) -> None:
    async def acquire(store: Store, who: str, number: int) -> bool:
        return await store.acquire("db", SLOTS, node=who, run=number, key="k")

    frozen = await frozen_everywhere(cold, stiff, nimble, acquire)
    assert frozen >= 2
    assert len(await nimble.holders()) == 2 * frozen + 2


async def test_runs_are_claimed_while_another_process_is_frozen(cold: Freezer, stiff: Store, nimble: Store) -> None:
    pools = Takes(pools={"f": Pool("etl", SLOTS)})

    async def claim(store: Store, who: str, _: int) -> object:
        return await store.claim(who, now=150, limit=1, flows=["f"], takes=pools)

    for n in range(SLOTS):
        await nimble.create(new_run(str(n)))
    frozen = await frozen_everywhere(cold, stiff, nimble, claim)
    assert frozen >= 3
    assert len(await nimble.holders()) == 2 * frozen + 2


@pytest.mark.parametrize("occupied", ["queue", "skip"])
async def test_a_lane_goes_on_while_another_process_is_frozen(
    cold: Freezer, stiff: Store, nimble: Store, occupied: Occupied
) -> None:
    async def start(store: Store, who: str, number: int) -> object:
        made = await store.create(new_run(f"{who} {number}", lane="x", occupied=occupied))
        if store is nimble:
            (first,) = await store.claim(who, now=150, limit=1, flows=["f"])
            await write_as(store, first, Ended(first.num, RunState.SUCCEEDED, b"1", None, None, 300))
        return made

    await nimble.create(new_run("first", lane="x"))
    assert await frozen_everywhere(cold, stiff, nimble, start) >= 2


@pytest.mark.parametrize("what", ["signal", "cancel"])
async def test_a_run_goes_on_while_another_process_is_frozen(
    cold: Freezer, stiff: Store, nimble: Store, what: str
) -> None:
    parent = await claimed(nimble, "parent", owner="nimble")
    run = await claimed(nimble, "run", owner="nimble", parent=parent.num)
    await nimble.create(new_run("other"))

    async def tell(store: Store, _: str, number: int) -> bool:
        told = "other" if store is nimble else "run"
        await (store.signal(told, "go", b"1", now=200) if what == "signal" else store.cancel(told, "enough", now=200))
        if store is nimble:
            for mine in (run, parent):
                assert await write_as(store, mine, entry(mine, number), log(mine, "on")) == frozenset()
        return True

    assert await frozen_everywhere(cold, stiff, nimble, tell) >= 2
