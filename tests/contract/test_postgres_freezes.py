"""A process that is frozen between two of its messages keeps nobody from a pool, a lane, or its own runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from engine.model.change import Change, Ended, Parked
from engine.model.entry import Entry
from engine.model.limits import Occupied, Pool, Takes
from engine.model.run import LogLine, RunRecord, RunState
from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.contract.harness import claimed, entry, log, new_run, node, write_as
from tests.support import relay
from tests.support.freezer import Freezer
from tests.support.polling import until
from tests.support.pooler import pooler
from tests.support.postgres import let_expire

SLOTS = 100
SOON = 4.0
"""Seconds in which nobody comes to what a transaction that waits for its client has locked: the server ends such a one
after 5, and what stands behind a pooler never does."""

Asking: TypeAlias = Callable[[Store, str, int], Awaitable[object]]


@pytest.fixture(params=["straight", "behind a pooler"])
def way(request: pytest.FixtureRequest, url: str) -> Iterator[str]:
    """The URL by which a client comes to the store."""
    with nullcontext(url) if request.param == "straight" else pooler(url) as way:
        yield way


@pytest_asyncio.fixture
async def cold(way: str) -> AsyncIterator[Freezer]:
    async with relay.opened(Freezer(urlsplit(way).port or 5432)) as cold:
        yield cold


@pytest_asyncio.fixture
async def stiff(way: str, cold: Freezer) -> AsyncIterator[Store]:
    """The store as a process has it that will be frozen."""
    async with opened(PostgresStore(cold.url(way))) as store:
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


async def first_of_all(store: Store, who: str) -> RunRecord:
    """The run whose turn it is: what is locked at the moment is not taken."""
    taken: list[RunRecord] = []

    async def claim() -> bool:
        taken.extend(await store.claim(who, now=500, limit=1, flows=["f"]))
        return bool(taken)

    await until(claim, SOON, every=0.01)
    return taken[0]


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


async def test_a_rate_goes_on_while_another_process_is_frozen(cold: Freezer, stiff: Store, nimble: Store) -> None:
    async def reserve(store: Store, _: str, number: int) -> bool:
        delays.append(await store.reserve("r", interval=10**12, burst=1, now=0))
        return True

    delays: list[int] = []
    frozen = await frozen_everywhere(cold, stiff, nimble, reserve)
    assert frozen >= 1
    assert sorted({round(delay / 10**12) for delay in delays}) == [*range(2 * frozen + 2)]


async def test_a_run_is_found_while_another_process_is_frozen_that_starts_it(
    cold: Freezer, stiff: Store, nimble: Store
) -> None:
    async def start(store: Store, _: str, number: int) -> object:
        return await store.create(new_run(str(number if store is stiff else number - 1)))

    assert await frozen_everywhere(cold, stiff, nimble, start) >= 1


@pytest.mark.parametrize("occupied", ["queue", "skip", "replace"])
async def test_a_lane_goes_on_while_another_process_is_frozen(
    cold: Freezer, stiff: Store, nimble: Store, occupied: Occupied
) -> None:
    async def start(store: Store, who: str, number: int) -> object:
        made = await store.create(new_run(f"{who} {number}", lane="x", occupied=occupied))
        if store is nimble:
            first = await first_of_all(store, who)
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


async def test_a_diverged_run_goes_back_to_its_lane_while_another_process_is_frozen(
    cold: Freezer, stiff: Store, nimble: Store
) -> None:
    for n in range(SLOTS):
        run = await claimed(nimble, str(n), owner="nimble", lane="x")
        await write_as(nimble, run, Ended(run.num, RunState.DIVERGED, None, None, b"{}", 300))

    async def requeue(store: Store, who: str, number: int) -> object:
        queued = await store.requeue(str(number), now=400)
        if store is nimble:
            first = await first_of_all(store, who)
            await write_as(store, first, Ended(first.num, RunState.SUCCEEDED, b"1", None, None, 600))
        return queued

    assert await frozen_everywhere(cold, stiff, nimble, requeue) >= 3


async def test_a_rerun_takes_signals_while_another_process_is_frozen(
    cold: Freezer, stiff: Store, nimble: Store
) -> None:
    source = await claimed(nimble, "source", owner="nimble")
    await write_as(nimble, source, entry(source, 0))
    targets = [(await nimble.create(new_run(str(n), due=10**15)))[0] for n in range(SLOTS)]

    async def rerun(store: Store, _: str, number: int) -> bool:
        if store is nimble:
            await store.signal(str(number - 1), "go", b"1", now=200)
        else:
            await store.copy_journal(source.num, targets[number].num, ["key-0"], now=200)
        return True

    frozen = await frozen_everywhere(cold, stiff, nimble, rerun)
    assert frozen >= 1
    assert [len(await nimble.read(targets[2 * n + 1].num)) for n in range(frozen)] == [1] * frozen


async def test_a_node_that_is_frozen_while_it_comes_or_goes_keeps_nobody_from_its_runs(
    cold: Freezer, stiff: Store, nimble: Store
) -> None:
    runs = [(await nimble.create(new_run(str(n))))[0] for n in range(SLOTS)]

    async def come_and_go(store: Store, _: str, number: int) -> bool:
        if store is nimble:
            await store.signal(str(number - 1), "go", b"1", now=200)
            return True
        await store.join(node(str(number)))
        taken = await store.claim(str(number), now=150, limit=1, flows=["f"], only=[runs[number].num])
        await store.leave(str(number))
        return len(taken) == 1

    assert await frozen_everywhere(cold, stiff, nimble, come_and_go) >= 3


async def test_a_node_that_is_frozen_while_it_renews_its_lease_can_be_buried(
    cold: Freezer, stiff: Store, nimble: Store, url: str
) -> None:
    assert isinstance(stiff, PostgresStore)
    leases = stiff._leases  # pyright: ignore[reportPrivateUsage]
    renewing = await leases._door.connect()  # pyright: ignore[reportPrivateUsage]

    async def renew(store: Store, _: str, number: int) -> bool:
        if store is nimble:
            await let_expire(url, "stiff")
        else:
            await leases._renew_all(renewing)  # pyright: ignore[reportPrivateUsage]
        return True

    assert await frozen_everywhere(cold, stiff, nimble, renew) >= 1
    await renewing.close()


WRITES: dict[str, Callable[[RunRecord], Sequence[Entry | LogLine | Change]]] = {
    "a line": lambda run: [entry(run, 0)],
    "lines": lambda run: [entry(run, 0), entry(run, 1)],
    "many lines": lambda run: [entry(run, n) for n in range(1_100)],
    "a log": lambda run: [log(run, "hello")],
    "the end": lambda run: [entry(run, 0), Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 300)],
    "parking": lambda run: [entry(run, 0), Parked(run.num, None, 0)],
}


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("lane", [None, "x"])
async def test_a_family_and_a_lane_go_on_while_a_node_is_frozen_that_writes(
    cold: Freezer, stiff: Store, nimble: Store, what: str, lane: str | None
) -> None:
    parent = await claimed(nimble, "parent", owner="nimble")
    children = [
        await claimed(stiff, str(n), owner="stiff", parent=parent.num, lane=lane and f"{lane}{n}") for n in range(SLOTS)
    ]

    async def write(store: Store, _: str, number: int) -> bool:
        if store is stiff:
            return await write_as(store, children[number], *WRITES[what](children[number])) == frozenset()
        told = children[number - 1]
        await store.cancel(told.id, "enough", now=200)
        await store.create(new_run(f"after {told.id}", lane=told.lane))
        return await write_as(store, parent, entry(parent, number), log(parent, "on")) == frozenset()

    assert await frozen_everywhere(cold, stiff, nimble, write) >= 1


async def test_a_dead_node_is_buried_while_another_one_is_frozen_that_buries_it(
    cold: Freezer, stiff: Store, nimble: Store, url: str
) -> None:
    parent = await claimed(nimble, "parent", owner="nimble")
    async with opened(PostgresStore(url)) as dying:
        for n in range(SLOTS):
            await claimed(dying, str(n), owner=f"dead {n}", parent=parent.num, lane=f"x{n}")

    async def rescue(store: Store, _: str, number: int) -> bool:
        dead = number if store is stiff else number - 1
        await let_expire(url, f"dead {dead}")
        await store.rescue(crash_limit=1, now=300)
        if store is nimble:
            run = (await store.create(new_run(str(dead))))[0]
            assert run.state is RunState.FAILED
            assert not (await store.create(new_run(f"after {dead}", lane=run.lane)))[0].held
            assert await write_as(store, parent, entry(parent, number), log(parent, "on")) == frozenset()
        return True

    assert await frozen_everywhere(cold, stiff, nimble, rescue) >= 3


async def test_a_child_ends_while_another_process_is_frozen_that_forgets_its_parent(
    cold: Freezer, stiff: Store, nimble: Store
) -> None:
    children: list[RunRecord] = []
    for n in range(SLOTS // 2):
        parent = await claimed(nimble, f"parent {n}", owner="nimble")
        children.append(await claimed(nimble, str(n), owner="nimble", parent=parent.num))
        await write_as(nimble, parent, Ended(parent.num, RunState.SUCCEEDED, b"1", None, None, 300 + n))

    async def forget(store: Store, _: str, number: int) -> bool:
        if store is stiff:
            return (await store.prune(ended_before=1_000, limit=1))[0] == 1
        child = children[number // 2]
        over = Ended(child.num, RunState.SUCCEEDED, b"1", None, None, 2_000)
        return await write_as(store, child, over) == frozenset()

    assert await frozen_everywhere(cold, stiff, nimble, forget) >= 2
