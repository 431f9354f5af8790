"""map: lazy, bounded, in order; items are known by their content."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from engine import RunFailed, flow, task, testing
from tests.integration.conftest import MakeEngine
from tests.support.polling import until

CONCURRENCY = 8

running = most = drawn = finished = ahead = 0
executed: list[int] = []


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    global running, most, drawn, finished, ahead
    running = most = drawn = finished = ahead = 0
    executed.clear()


@task
async def double(number: int, plus: int = 0) -> int:
    global running, most, finished
    running += 1
    most = max(most, running)
    executed.append(number)
    await asyncio.sleep(0 if number % 3 else 0.001)
    running -= 1
    finished += 1
    if number < 0:
        raise ValueError(number)
    return 2 * number + plus


def numbers() -> Iterator[int]:
    """As many as anybody asks for."""
    global drawn, ahead
    for number in itertools.count():
        drawn += 1
        ahead = max(ahead, drawn - finished)
        yield number


@flow
async def takes_some() -> list[int]:
    taken: list[int] = []
    async for result in double.map(numbers(), concurrency=CONCURRENCY, fixed={"plus": 1}):
        taken.append(result)
        if len(taken) == 50:
            break
    return taken


async def test_an_endless_source_is_drawn_as_there_is_room(make_engine: MakeEngine) -> None:
    async with make_engine(takes_some) as engine:
        assert await engine.run(takes_some.bind()) == [2 * number + 1 for number in range(50)]
    assert 1 < most <= CONCURRENCY
    assert drawn <= 50 + 2 * CONCURRENCY


@task
async def slow_first(number: int) -> int:
    executed.append(number)
    if number == 0:
        await until(lambda: -1 in executed)
    return number


@flow
async def waits_for_its_first() -> int:
    async for result in slow_first.map(numbers(), concurrency=CONCURRENCY):
        return result
    return -1


async def test_no_more_is_drawn_than_can_wait_behind_a_slow_item(make_engine: MakeEngine) -> None:
    async with make_engine(waits_for_its_first) as engine:
        run = await engine.start(waits_for_its_first.bind())
        await until(lambda: len(executed) == 2 * CONCURRENCY)
        for _ in range(500):
            await asyncio.sleep(0)
        assert drawn == 2 * CONCURRENCY
        executed.append(-1)
        assert await run.result() == 0


class Peak:
    """Counts asyncio tasks, each time that an item is drawn."""

    def __init__(self) -> None:
        self.tasks = 0

    def items(self, count: int) -> Iterator[int]:
        for number in range(count):
            if number % 1000 == 0:
                self.tasks = max(self.tasks, len(asyncio.all_tasks()))
            yield number


@task(pure=True)
async def plain(number: int) -> int:
    return number


@pytest.mark.slow
async def test_a_hundred_thousand_items_are_not_a_hundred_thousand_tasks(make_engine: MakeEngine) -> None:
    peak = Peak()

    @flow
    async def large() -> int:
        total = 0
        async for number in plain.map(peak.items(100_000), concurrency=16):
            total += number
        return total

    async with make_engine(large) as engine:
        assert await engine.run(large.bind()) == sum(range(100_000))
    assert peak.tasks < 100


@flow
async def raises() -> list[int]:
    return await double.map([1, 2, -3, *range(4, 1000)], concurrency=2)


@flow
async def collects() -> list[str]:
    return [repr(result) for result in await double.map([1, -2, 3], errors="collect")]


async def test_a_failure_is_raised_and_stops_the_rest_or_stands_in_its_place(make_engine: MakeEngine) -> None:
    async with make_engine(raises, collects) as engine:
        with pytest.raises(RunFailed, match="ValueError: -3"):
            await engine.run(raises.bind())
        assert len(executed) < 20
        assert await engine.run(collects.bind()) == ["2", "ValueError(-2)", "6"]


async def awaited() -> AsyncIterator[int]:
    for number in range(20):
        await asyncio.sleep(0)
        yield number


@flow
async def from_an_async_source() -> list[int]:
    return await double.map(awaited(), concurrency=3)


async def test_async_iterables() -> None:
    assert await testing.assert_replays(from_an_async_source.bind()) == [2 * number for number in range(20)]


order: list[int] = []


@flow
async def in_whatever_order() -> list[int]:
    results = await double.map(list(order), concurrency=4)
    await stays()
    return results


@task
async def stays() -> None:
    if order[0] == 0:
        executed.append(-1)
        await asyncio.Event().wait()


@pytest.mark.parametrize(("then", "anew"), [([5, 3, 1, 0], []), ([6, 5, 4, 3, 2, 1, 0], [6])])
async def test_items_in_another_order_find_their_results(
    make_engine: MakeEngine, then: list[int], anew: list[int]
) -> None:
    order[:] = [0, 1, 2, 3, 4, 5]
    async with make_engine(in_whatever_order) as engine:
        await engine.start(in_whatever_order.bind(), id="reordered")
        await until(lambda: -1 in executed)
    order[:] = then
    executed.clear()
    async with make_engine(in_whatever_order) as engine:
        assert await (await engine.get("reordered")).result() == [2 * number for number in then]
    assert executed == anew


async def test_outside_an_engine_it_is_the_same() -> None:
    assert await double.map([1, 2, 3], concurrency=2) == [2, 4, 6]
    with pytest.raises(ValueError, match="concurrency=0"):
        double.map([1], concurrency=0)
