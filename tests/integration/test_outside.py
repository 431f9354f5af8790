"""Outside an engine a flow or a task is an ordinary async function."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

import engine
from engine import (
    HeadraceError,
    Retry,
    TaskMap,
    current,
    flow,
    now,
    random,
    shell,
    sleep,
    sleep_until,
    task,
    timeout,
    uuid,
    wait_for,
)
from engine.model.errors import ParameterError

calls: list[str] = []


@task(retry=Retry(attempts=5))
async def fails() -> None:
    calls.append(current().run_id)
    raise ValueError("no")


@task
def in_a_thread() -> str:
    return threading.current_thread().name


@task
async def double(number: int) -> int:
    current().progress(1, 2, "half way")
    current().logger.info("doubling %d", number)
    return 2 * number


@flow
async def child(number: int) -> int:
    return await double(number) + 1


@flow
async def parent(number: int) -> list[int]:
    await sleep(0)
    await sleep_until(datetime(2020, 1, 1, tzinfo=UTC))
    async with asyncio.TaskGroup() as group:
        one = group.create_task(double(number))
    return [one.result(), await child(number), *await double.map([1, 2])]


async def test_flows_tasks_children_and_maps_are_plain() -> None:
    assert await parent(3) == [6, 7, 2, 4]
    assert await parent("3") == [6, 7, 2, 4]  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="number"):
        await parent("three")  # type: ignore[arg-type]


async def test_there_are_no_retries_and_the_exception_is_the_functions_own() -> None:
    calls.clear()
    with pytest.raises(ValueError, match="no") as raised:
        await fails()
    assert calls == ["outside"]
    assert raised.traceback[-1].name == "fails"


async def test_plain_functions_run_in_a_thread() -> None:
    assert await in_a_thread() != threading.current_thread().name
    assert in_a_thread.fn() == threading.current_thread().name


async def test_time_and_chance_are_the_real_ones() -> None:
    before = datetime.now(UTC)
    assert before <= now() <= datetime.now(UTC)
    assert 0 <= random() < 1
    assert uuid() != uuid()
    assert uuid().version == 4
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with timeout(timedelta(milliseconds=5)):
            await sleep(timedelta(seconds=60))
    assert time.monotonic() - began < 30


async def test_a_signal_can_come_from_nobody() -> None:
    with pytest.raises(HeadraceError, match=r"nobody to send it; use engine\.testing"):
        await wait_for("go")


async def answer(value: object) -> object:
    return value


async def collected(results: TaskMap[int | Exception]) -> object:
    return [each async for each in results]


async def in_time() -> str:
    async with timeout(timedelta(seconds=30)):
        return "in time"


async def refused(waiting: Awaitable[object]) -> None:
    with pytest.raises(HeadraceError):
        await waiting


OUTSIDE: dict[str, Callable[[], Awaitable[object]]] = {
    "flow": lambda: child(1),
    "task": lambda: double(1),
    "task.map": lambda: collected(double.map([1], errors="collect")),
    "sleep": lambda: sleep(timedelta(0)),
    "sleep_until": lambda: sleep_until(datetime(2020, 1, 1, tzinfo=UTC)),
    "timeout": in_time,
    "now": lambda: answer(now()),
    "random": lambda: answer(random()),
    "uuid": lambda: answer(uuid()),
    "current": lambda: answer(current().idempotency_key),
    "shell": lambda: shell("true"),
    "wait_for": lambda: refused(wait_for("go")),
}
"""Each function of the door that a flow or a task may call, as a unit test without an engine would."""

ELSEWHERE = {"every", "on_schedule", "unkeyed"}
"""Functions of the door that only declare."""


@pytest.mark.parametrize("name", OUTSIDE)
async def test_each_function_works_outside(name: str) -> None:
    factory = asyncio.get_running_loop().get_task_factory()
    await OUTSIDE[name]()
    assert asyncio.get_running_loop().get_task_factory() is factory


def test_no_function_of_the_door_is_left_out() -> None:
    functions = {name for name in engine.__all__ if name[0].islower()}
    assert functions == {name.partition(".")[0] for name in OUTSIDE} | ELSEWHERE
