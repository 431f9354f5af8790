"""What reaches a flow, and in which order, is the same on replay: the cases that generated programs found."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from engine import Call, flow, sleep, task, testing, timeout, wait_for
from engine.context import CURRENT
from engine.model import entry as kinds
from engine.model.run import ENDED
from engine.testing.disk import RememberingStore

NOT_AT_ALL = timedelta(0)


@task
async def tick(seconds: int) -> int:
    await sleep(seconds)
    return seconds


@task
async def quick(number: int) -> int:
    return number


@task
async def leaves_slowly() -> None:
    try:
        await sleep(100)
    finally:
        await sleep(5)


@task
async def with_branches(number: int) -> int:
    return sum(await asyncio.gather(*map(quick, range(number))))


@flow
async def child(seconds: int) -> int:
    return await tick(seconds)


@flow
async def slow_child() -> None:
    await leaves_slowly()


async def called_off(call: Any, order: list[str]) -> None:
    running = asyncio.create_task(call)
    await tick(1)
    running.cancel()
    await asyncio.wait([running])
    order.append(f"called off, {running.cancelled()}")


async def meanwhile(order: list[str]) -> None:
    await tick(3)
    order.append("meanwhile")


@flow
async def cancels_a_task() -> list[str]:
    order: list[str] = []
    await asyncio.gather(called_off(leaves_slowly(), order), meanwhile(order))
    return order


@flow
async def cancels_a_child() -> list[str]:
    order: list[str] = []
    await asyncio.gather(called_off(slow_child(), order), meanwhile(order))
    return order


@flow
async def gives_up_on_a_child() -> str:
    try:
        async with timeout(2):
            await child(100)
    except TimeoutError:
        return "given up"
    return "in time"


@flow
async def leaves_a_child_behind() -> str:
    asyncio.create_task(child(100))  # noqa: RUF006 - that is the point
    await tick(1)
    return "done"


@flow
async def pops_winners() -> list[int]:
    await with_branches(5)
    racers = [asyncio.create_task(quick(number)) for number in range(12)]
    done, _ = await asyncio.wait(racers)
    order: list[int] = []
    while done:
        order.append(done.pop().result())
    return order


@flow
async def two_children() -> list[int]:
    return [*await asyncio.gather(child(1), child(1))]


@flow
async def waits_while_others_run() -> list[Any]:
    async with asyncio.TaskGroup() as group:
        branches: list[asyncio.Task[Any]] = [group.create_task(tick(seconds)) for seconds in (1, 2, 0, 0)]
        branches.append(group.create_task(wait_for("go", int)))
    return [branch.result() for branch in branches]


async def told_twice(call: Call[Any]) -> tuple[Any, Any]:
    """The result of a run, and what its complete journal gives when only its end was lost."""
    store = RememberingStore()
    async with testing.engine(flows=[call.flow, slow_child], store=store) as engine:
        first = await (await engine.start(call, id="it")).result()
    disks = [disk for disk in store.past if (run := disk.run("it")) is not None and run.state not in ENDED]
    async with testing.engine(flows=[call.flow, slow_child], store=RememberingStore(disk=disks[-1])) as engine:
        return first, await (await engine.start(call, id="it")).result()


@pytest.mark.parametrize("flow", [cancels_a_task, cancels_a_child])
async def test_the_end_of_a_cancelled_call_has_its_place(flow: Any) -> None:
    first, again = await told_twice(flow.bind())
    assert first == ["meanwhile", "called off, True"]
    assert again == first


@pytest.mark.parametrize("linger", [None, NOT_AT_ALL])
@pytest.mark.parametrize("parent", [gives_up_on_a_child, leaves_a_child_behind])
async def test_no_child_outlives_its_parent(parent: Any, linger: timedelta | None) -> None:
    await testing.assert_replays(parent.bind(), linger=linger)
    async with testing.engine(flows=[parent, child], linger=linger) as engine:
        await engine.run(parent.bind())
        assert await engine.store.unfinished() == []


async def test_sets_of_tasks_have_the_same_order() -> None:
    """Tasks that a body creates do not exist on replay, and must not move the others."""
    order = await testing.assert_replays(pops_winners.bind())
    assert sorted(order) == list(range(12))


async def test_a_run_is_claimed_again_before_it_has_quite_left() -> None:
    assert await testing.assert_replays(two_children.bind(), linger=NOT_AT_ALL) == [1, 1]


async def test_a_run_does_not_leave_memory_while_a_step_is_about_to_begin() -> None:
    result = await testing.assert_replays(waits_while_others_run.bind(), signals={"go": [7]}, linger=NOT_AT_ALL)
    assert result == [1, 2, 0, 0, 7]


@task
async def asks_for_cancellation() -> None:
    """As a person might, at the moment in which another task has begun and nothing of it is written."""
    scope = CURRENT.get()
    assert scope is not None
    scope.session.cancel("enough")  # type: ignore[attr-defined]
    await sleep(1)


@flow
async def is_cancelled() -> None:
    await asyncio.gather(tick(1), asks_for_cancellation())


async def test_what_nobody_awaits_has_a_group_of_its_own() -> None:
    async with testing.engine(flows=[is_cancelled]) as engine:
        run = await engine.start(is_cancelled.bind())
        await engine.settle()
        journal = await engine.store.read(run.num)
    cancelled = next(line for line in journal if line.kind == kinds.CANCEL)
    assert [line.kind for line in journal if line.group == cancelled.group] == [kinds.CANCEL]
