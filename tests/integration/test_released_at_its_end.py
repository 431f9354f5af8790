"""A node lets go of a run in the moment in which its flow returns, or one of its tasks: nobody is accused or lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine import Engine, Retry, RunFailed, flow, task
from engine.model import entry as kinds
from engine.runtime.recording import Closing
from tests.integration.conftest import MakeEngine

RETURNED: list[str] = []


@flow
async def brief() -> str:
    """Returns, and the first time its stay in memory is called off before anybody has heard of that."""
    RETURNED.append("brief")
    if len(RETURNED) == 1:
        (stay,) = [task for task in asyncio.all_tasks() if task.get_name() == "headrace stay brief-1"]
        asyncio.get_running_loop().call_soon(stay.cancel)
    return "done"


async def test_a_flow_that_returns_as_its_run_is_released_is_not_accused(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    RETURNED.clear()
    async with make_engine(brief) as engine:
        run = await engine.start(brief.bind(), id="brief-1")
        assert await run.result() == "done"
    assert RETURNED == ["brief", "brief"]
    assert "caught the cancellation" not in caplog.text


BEGUN: list[str] = []
gate: asyncio.Future[None]


@task
async def ends_as_its_run_leaves() -> int:
    BEGUN.append("ends")
    if len(BEGUN) == 1:
        await gate
    return 1


@task
async def begins_as_its_run_leaves() -> int:
    """Calls its run's stay in memory off; in that very moment the other task ends, and this one is seen to run."""
    BEGUN.append("begins")
    if len(BEGUN) == 2:
        (stay,) = [one for one in asyncio.all_tasks() if one.get_name() == "headrace stay pair-1"]
        stay.cancel()
        gate.set_result(None)
        await asyncio.sleep(60)
    return 2


@flow
async def pair() -> int:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ends_as_its_run_leaves())
        await asyncio.sleep(0)
        second = group.create_task(begins_as_its_run_leaves())
    return first.result() + second.result()


async def test_a_result_in_the_moment_of_release_leaves_no_hole_in_the_journal(
    make_engine: MakeEngine,
) -> None:
    global gate
    gate = asyncio.get_running_loop().create_future()
    BEGUN.clear()
    async with make_engine(pair) as engine:
        run = await engine.start(pair.bind(), id="pair-1")
        assert await run.result() == 3
        lines = await engine.store.read(run.num)
    assert [line.seq for line in lines] == [*range(len(lines))]


ENGINES: list[Engine] = []


@task(retry=Retry(attempts=2, delay=timedelta(0)))
async def fails_as_its_run_closes() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ValueError("while cleaning up") from None


@task
async def closes_its_run() -> None:
    """Closes its run for good, and is seen to run in that very moment."""
    (session,) = ENGINES[0].node.sessions.values()
    session.close(Closing.FAILED, ValueError("closed"))
    await asyncio.Event().wait()


async def a_little_later() -> None:
    await asyncio.sleep(0)
    await closes_its_run()


@flow
async def closed() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(a_little_later())
        await fails_as_its_run_closes()


async def test_a_failure_that_a_closed_run_does_not_record_leaves_no_hole_in_the_journal(
    make_engine: MakeEngine,
) -> None:
    async with make_engine(closed) as engine:
        ENGINES[:] = [engine]
        run = await engine.start(closed.bind())
        with pytest.raises(RunFailed, match="closed"):
            await run.result()
        lines = await engine.store.read(run.num)
    assert [(line.seq, line.kind) for line in lines] == [*enumerate([kinds.STARTED] * 2)]
