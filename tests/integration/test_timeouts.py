"""Timeouts of tasks, of flows and of blocks: they reach the code, they are recorded, and they count over a crash."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine import RunCancelled, RunFailed, flow, sleep, task, testing, timeout, wait_for
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.support.polling import until

seen: list[str] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@task(timeout=timedelta(milliseconds=10))
async def too_slow() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("cleaned up")


@task
async def note(word: str) -> str:
    seen.append(word)
    return word


@task
async def for_ever() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("interrupted")


@flow
async def calls_a_slow_task() -> str:
    try:
        await too_slow()
    except TimeoutError as error:
        return str(error)
    return "it was quick"


async def test_of_a_task() -> None:
    result = await testing.assert_replays(calls_a_slow_task.bind())
    assert result == "task too_slow: attempt 1 took longer than 0:00:00.010000"
    assert "cleaned up" in seen


@flow(timeout=timedelta(hours=1))
async def waits_too_long() -> None:
    try:
        await wait_for("never")
    finally:
        await note("finally")


@pytest.mark.parametrize("linger", [timedelta(0), timedelta(hours=1)])
async def test_of_a_flow_in_memory_and_parked(linger: timedelta) -> None:
    async with testing.engine(flows=[waits_too_long], linger=linger) as engine:
        run = await engine.start(waits_too_long.bind())
        with pytest.raises(RunFailed, match="did not end within 3600 s") as failed:
            await run.result()
        assert failed.value.error_type.endswith("RunTimeout")
        assert seen == ["finally"]
        assert await run.state() is RunState.FAILED


async def test_of_a_flow_over_a_crash_at_any_moment() -> None:
    """Also in the middle of the clean-up, when the deadline is long past."""
    with pytest.raises(RunFailed, match="RunTimeout"):
        await testing.assert_replays(waits_too_long.bind())


@flow(timeout=timedelta(hours=1))
async def slow_to_clean_up() -> None:
    try:
        await wait_for("never")
    finally:
        await sleep(timedelta(hours=2))


async def test_a_run_that_was_cancelled_stays_so_when_its_deadline_passes_meanwhile() -> None:
    async with testing.engine(flows=[slow_to_clean_up], linger=timedelta(0)) as engine:
        run = await engine.start(slow_to_clean_up.bind())
        await engine.advance(timedelta(minutes=1))
        await run.cancel("by hand")
        with pytest.raises(RunCancelled, match="by hand"):
            await run.result()


async def test_a_run_that_was_too_slow_stays_so_when_it_is_cancelled_meanwhile() -> None:
    async with testing.engine(flows=[slow_to_clean_up], linger=timedelta(0)) as engine:
        run = await engine.start(slow_to_clean_up.bind())
        await engine.advance(timedelta(minutes=90))
        await run.cancel("by hand")
        with pytest.raises(RunFailed, match="did not end within"):
            await run.result()


@flow
async def with_a_deadline() -> list[str]:
    said: list[str] = []
    try:
        async with timeout(timedelta(minutes=1)):
            await for_ever()
    except TimeoutError:
        said.append(await note("the task was interrupted"))
    try:
        async with timeout(timedelta(minutes=1)):
            await wait_for("never")
    except TimeoutError:
        said.append(await note("the wait was over"))
    async with timeout(timedelta(minutes=1)):
        said.append(await note("in time"))
    await sleep(timedelta(minutes=5))
    return said


async def test_of_a_block() -> None:
    async with testing.engine(flows=[with_a_deadline], linger=timedelta(0)) as engine:
        run = await engine.start(with_a_deadline.bind())
        await until(lambda: engine.node.sessions)
        await engine.advance(timedelta(minutes=1))
        assert await run.result() == ["the task was interrupted", "the wait was over", "in time"]
        kinds = [line.kind for line in await engine.store.read(run.num)]
        assert kinds.count("deadline") == 2
    assert seen.count("interrupted") == 1


@flow
async def wall_clock() -> str:
    try:
        async with asyncio.timeout(0.05):
            await wait_for("never")
    except TimeoutError:
        return "over"
    return "impossible"


async def test_a_run_under_the_wall_clock_stays_in_memory(make_engine: MakeEngine) -> None:
    async with make_engine(wall_clock, linger=0.0) as engine:
        run = await engine.start(wall_clock.bind())
        assert await run.result() == "over"
        assert (await run.record()).epoch == 1, "it has not left memory in between"
