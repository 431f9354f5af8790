"""Slots of a pool: held as long as somebody works, and not a moment longer."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from engine import Pool, flow, task
from engine.ports.store import Store
from tests.integration.conftest import MakeEngine
from tests.support.polling import until

DOOR = Pool("door", 1)

begun: list[str] = []
let_go = threading.Event()


@pytest.fixture(autouse=True)
def nothing_begun() -> None:
    begun.clear()
    let_go.clear()


@task(pool=DOOR, timeout=timedelta(milliseconds=30))
def stays_in_its_thread() -> None:
    begun.append("first")
    assert let_go.wait(30)
    begun.append("first ends")


@task(pool=DOOR)
async def comes_after() -> None:
    begun.append("second")


@flow
async def too_slow() -> str:
    try:
        await stays_in_its_thread()
    except TimeoutError:
        begun.append("timed out")
    await comes_after()
    return "done"


async def test_a_thread_that_is_timed_out_keeps_its_slot_until_it_ends(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_engine(too_slow) as engine:
        run = await engine.start(too_slow.bind())
        await until(lambda: "timed out" in begun)
        for _ in range(5):  # looks of the second one at the pool, 50 ms apart
            held = await engine.store.holders()
            assert [(pool, num) for pool, num, _, _ in held] == [("door", run.num)]
            await asyncio.sleep(0.03)
        assert begun == ["first", "timed out"]
        assert "is still running in its thread, which cannot be stopped; it keeps its slot" in caplog.text
        let_go.set()
        assert await run.result() == "done"
        assert begun == ["first", "timed out", "first ends", "second"]
        await until(lambda: nobody_holds_a_slot(engine.store))


@task(pool=Pool("narrow", 2))
async def through(number: int) -> int:
    await asyncio.sleep(0)
    return number


@flow
async def gives_up(passes: int) -> int:
    """Calls off four requests for two slots after so many passes of the loop, wherever they are by then."""
    asking = [asyncio.create_task(through(number)) for number in range(4)]
    for _ in range(passes):
        await asyncio.sleep(0)
    if passes % 3 == 2:
        await asyncio.sleep(0.001 * passes)  # the writer's thread is about to answer
    for each in asking:
        each.cancel()
    await asyncio.wait(asking)
    return sum(await asyncio.gather(*map(through, range(10, 14))))


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_a_request_that_is_called_off_on_its_way_leaves_no_slot_taken(
    make_engine: MakeEngine, durability: str
) -> None:
    async with make_engine(gives_up, durability=durability) as engine:
        for passes in range(24):
            assert await asyncio.wait_for(engine.run(gives_up.bind(passes)), 20) == 46
        await until(lambda: nobody_holds_a_slot(engine.store))


async def nobody_holds_a_slot(store: Store) -> bool:
    return not await store.holders()
