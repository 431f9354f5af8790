"""assert_replays passes where it should, and finds what it is there to find."""

from __future__ import annotations

import asyncio
import random as dice
from datetime import timedelta

import pytest

from engine import Retry, RunFailed, current, flow, now, random, sleep, task, testing, timeout, uuid, wait_for
from engine.core.replay import Replay
from engine.runtime import delivery

executed: list[str] = []


@task
async def double(x: int) -> int:
    executed.append(current().run_id)
    await sleep(x)
    return 2 * x


@task(retry=Retry(attempts=3))
async def flaky(x: int) -> int:
    if current().attempt < 3:
        raise ConnectionError(x)
    return x


@task
def in_thread(x: int) -> int:
    return -x


@task
async def raises(x: int) -> int:
    raise LookupError(x)


@task
async def outer(x: int) -> int:
    return sum(await asyncio.gather(double(x), double(x + 1)))


@flow
async def child(x: int) -> int:
    return await double(x) + await flaky(x)


@flow
async def everything(n: int) -> dict[str, object]:
    started = now()
    result: dict[str, object] = {"random": random(), "uuid": str(uuid())}
    result["all"] = await asyncio.gather(*(double(i) for i in range(n)))
    async with asyncio.TaskGroup() as group:
        branches = [group.create_task(outer(i)) for i in range(n)]
    result["branches"] = [branch.result() for branch in branches]
    first, rest = await asyncio.wait(
        [asyncio.create_task(double(i)) for i in (3, 1, 2)], return_when=asyncio.FIRST_COMPLETED
    )
    result["first"] = first.pop().result()
    for other in rest:
        other.cancel()
    result["order"] = [await each for each in asyncio.as_completed([double(5), double(4)])]
    try:
        await raises(1)
    except LookupError as error:
        result["caught"] = [*error.args]
    try:
        async with timeout(3):
            await double(10)
    except TimeoutError:
        result["late"] = True
    result["child"] = await child(4)
    result["thread"] = await in_thread(3)
    result["signal"] = await wait_for("go", int)
    result["map"] = await double.map(range(4), concurrency=2)
    await sleep(timedelta(days=1))
    result["took"] = now() - started > timedelta(days=1)
    return result


@flow
async def fails(n: int) -> int:
    await double(n)
    return await raises(n)


@flow
async def unrecorded_dice(n: int) -> int:
    total = 0
    for _ in range(4):
        total += await double(1) if dice.random() < 0.5 else await flaky(n)
    return total


@flow
async def depends_on_the_process(n: int) -> int:
    await double(n)
    executed.append("flow")
    return executed.count("flow")


@pytest.mark.parametrize("linger", [None, timedelta(0)])
async def test_a_flow_of_everything_replays(linger: timedelta | None) -> None:
    result = await testing.assert_replays(everything.bind(3), signals={"go": [7]}, linger=linger)
    assert (result["first"], result["order"], result["map"]) == (2, [8, 10], [0, 2, 4, 6])


async def test_a_failure_is_compared_like_a_result() -> None:
    with pytest.raises(RunFailed, match="LookupError: 3"):
        await testing.assert_replays(fails.bind(3))


async def test_what_is_not_recorded_is_found() -> None:
    dice.seed(7)
    with pytest.raises(testing.ReplayFailed, match=r"killed after commit \d+ of \d+"):
        await testing.assert_replays(unrecorded_dice.bind(3))


async def test_a_different_result_is_shown() -> None:
    executed.clear()
    with pytest.raises(testing.ReplayFailed, match=r"- uninterrupted: succeeded: 1\n\+ resumed:       succeeded: 2"):
        await testing.assert_replays(depends_on_the_process.bind(1))
    assert await testing.assert_replays(depends_on_the_process.bind(1), same_result=False)


def nothing(*_: object, **__: object) -> None:
    return None


async def test_executing_a_recorded_step_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mechanism broken on purpose: a journal that answers nothing."""
    monkeypatch.setattr(delivery, "GRACE", 0.01)
    monkeypatch.setattr(Replay, "take", nothing)
    monkeypatch.setattr(Replay, "record", nothing)
    monkeypatch.setattr(Replay, "diverges", nothing)
    with pytest.raises(testing.ReplayFailed, match="were recorded and were executed again\n  "):
        await testing.assert_replays(fails.bind(3))
