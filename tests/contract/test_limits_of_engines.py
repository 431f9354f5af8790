"""What limits promise of whole runs, with an engine on each store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from engine import Engine, Rate, RunFailed, flow, task
from engine.model.entry import CHILD, ERROR
from engine.model.errors import UsageError
from engine.model.run import RunState
from tests.contract.conftest import Place
from tests.support.polling import until

SOON = 20.0
"""Seconds in which a run ends that does not wait for ever."""

caught: list[str] = []
begun: list[float] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    caught.clear()
    begun.clear()


@flow(lane=lambda customer: customer)
async def bill(customer: str, depth: int) -> str:
    return f"billed {customer}" if depth == 0 else await remind(customer, depth - 1)


@flow
async def remind(customer: str, depth: int) -> str:
    return await bill(customer, 0) if depth == 0 else await remind(customer, depth - 1)


@flow(lane=lambda customer: customer)
async def bill_others(customer: str, others: list[str]) -> list[str]:
    return [await remind(other, 1) for other in others]


@task
async def note(text: str) -> str:
    caught.append(text)
    return text


@flow(lane=lambda customer: customer)
async def forgiving(customer: str) -> str:
    try:
        return await between(customer)
    except UsageError as error:
        return await note(str(error))


@flow
async def between(customer: str) -> str:
    return await forgiving(customer)


@flow(singleton="skip")
async def only_one(depth: int) -> int:
    return depth if depth == 0 else await through(depth - 1)


@flow
async def through(depth: int) -> int:
    return await only_one(depth)


FLOWS = (bill, remind, bill_others, forgiving, between, only_one, through)


@flow(rate=Rate("steady", 50, per=timedelta(seconds=1), burst=1))
async def steady(n: int) -> int:
    begun.append(time.monotonic())
    return n


SHARED = Rate("shared", 50, per=timedelta(seconds=1), burst=1)


@flow(rate=SHARED)
async def one_start(n: int) -> int:
    begun.append(time.monotonic())
    return n


@task(rate=SHARED)
async def one_attempt(n: int) -> int:
    begun.append(time.monotonic())
    return n


@flow
async def attempts(count: int) -> list[int]:
    return await one_attempt.map(range(count), concurrency=count)


@pytest_asyncio.fixture
async def engine(place: Place) -> AsyncIterator[Engine]:
    async with Engine(place.store, flows=FLOWS) as engine:
        yield engine


@pytest.mark.parametrize("depth", [1, 2, 4])
async def test_a_run_whose_children_would_wait_for_it_is_told(engine: Engine, depth: int) -> None:
    run = await engine.start(bill.bind("ann", depth), id="ann")
    after = await engine.start(bill.bind("ann", 0))
    async with asyncio.timeout(SOON):
        await engine.ended(run.num)
    with pytest.raises(RunFailed, match=r"a run of bill in the lane 'bill:.*ann.*', .* when run ann of bill has ended"):
        await run.result()
    assert await after.result() == "billed ann"
    assert len(await engine.store.list_runs()) == 1 + depth + 1  # the run that could not start was not made


async def test_other_lanes_are_free_however_deep(engine: Engine) -> None:
    assert await engine.run(bill_others.bind("ann", ["bob", "cid"])) == ["billed bob", "billed cid"]


async def test_an_awaited_singleton_is_told_as_well(engine: Engine) -> None:
    run = await engine.start(only_one.bind(1))
    async with asyncio.timeout(SOON):
        await engine.ended(run.num)
    with pytest.raises(RunFailed, match=r"in the lane 'only_one', .* of only_one has ended"):
        await run.result()


async def test_the_refusal_is_a_result_that_a_flow_may_catch(engine: Engine) -> None:
    run = await engine.start(forgiving.bind("ann"))
    async with asyncio.timeout(SOON):
        text = await run.result()
    assert caught == [text]
    assert "awaits a run of forgiving in the lane" in text
    (child,) = await engine.store.children(run.num)
    assert child.state is RunState.FAILED
    assert [(line.kind, line.outcome) for line in await engine.store.read(child.num)] == [(CHILD, ERROR)]


async def test_runs_whose_places_lie_behind_begin_one_after_the_other(place: Place) -> None:
    """Nobody was there when their places came; at once, they would all begin in the same moment."""
    async with Engine(place.store) as nobody:
        runs = [await nobody.start(steady.bind(n)) for n in range(15)]
        last = max([(await run.record()).wake_at or 0 for run in runs])
        await until(lambda: nobody.now() > last)
    before = time.monotonic()  # the first start may be late, too
    async with Engine(place.another(), flows=[steady]) as one, Engine(place.another(), flows=[steady]):
        async with asyncio.timeout(SOON):
            assert [await (await one.get(run.id)).result() for run in runs] == [*range(15)]
    assert max(begun) - before >= 14 / 50 * 0.97


async def test_runs_and_attempts_of_one_rate_share_its_places_after_a_stop(place: Place) -> None:
    """The places of the runs lie behind: they take others, in the line in which the attempts are."""
    async with Engine(place.store) as nobody:
        runs = [await nobody.start(one_start.bind(n)) for n in range(15)]
        last = max([(await run.record()).wake_at or 0 for run in runs])
        await until(lambda: nobody.now() > last)
    before = time.monotonic()
    async with Engine(place.another(), flows=[one_start, attempts]) as engine, asyncio.timeout(SOON):
        many = await engine.start(attempts.bind(15))
        assert [await (await engine.get(run.id)).result() for run in runs] == [*range(15)]
        assert await many.result() == [*range(15)]
    assert max(begun) - before >= 29 / 50 * 0.97
