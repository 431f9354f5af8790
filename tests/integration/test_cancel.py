"""Cancel reaches the code: tasks, children and waiting runs, whose clean-up runs, and it is recorded."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from datetime import timedelta

import pytest

from engine import RunCancelled, flow, sleep, task, wait_for
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state

seen: list[str] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@task
async def works_long() -> None:
    seen.append("began")
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("cleaned up")


@task
async def note(word: str) -> str:
    seen.append(word)
    return word


@flow
async def working() -> None:
    await works_long()


async def test_it_reaches_the_body_of_a_task(make_engine: MakeEngine) -> None:
    async with make_engine(working) as engine:
        run = await engine.start(working.bind())
        await until(lambda: "began" in seen)
        await run.cancel("enough")
        with pytest.raises(RunCancelled, match="enough"):
            await run.result()
        assert seen == ["began", "cleaned up"]
        assert await run.state() is RunState.CANCELLED
        lines = [(line.kind, line.name, line.outcome) for line in await engine.store.read(run.num)]
        assert ("cancel", "cancel", "ok") in lines
        assert ("task", "works_long", "cancelled") in lines


@flow
async def waiting() -> None:
    try:
        await wait_for("never")
    except asyncio.CancelledError:
        await note("except")
        raise
    finally:
        await note("finally")


@pytest.mark.parametrize("linger", [0.0, 60.0])
async def test_a_waiting_run_cleans_up_in_memory_or_not(make_engine: MakeEngine, linger: float) -> None:
    async with make_engine(waiting, linger=linger) as engine:
        run = await engine.start(waiting.bind())
        if linger:
            await until(lambda: engine.node.sessions and engine.node.sessions[run.num].waits)
        else:
            await until_state(run, RunState.WAITING)
            await until(lambda: not engine.node.sessions)
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
        assert seen == ["except", "finally"]


@flow
async def child(depth: int) -> None:
    if depth:
        await child(depth - 1)
    else:
        await works_long()


async def test_it_reaches_children_and_their_children(make_engine: MakeEngine) -> None:
    async with make_engine(child) as engine:
        run = await engine.start(child.bind(2), id="top")
        await until(lambda: "began" in seen)
        await run.cancel("all of it")
        with pytest.raises(RunCancelled):
            await run.result()
        assert seen == ["began", "cleaned up"]
        states = {record.id: record.state for record in await engine.store.list_runs()}
        assert len(states) == 3
        assert set(states.values()) == {RunState.CANCELLED}


@flow
async def stubborn() -> str:
    try:
        await works_long()
    except asyncio.CancelledError:
        return await note("I would rather not")
    return "impossible"


async def test_a_flow_that_catches_it_and_returns_has_succeeded(make_engine: MakeEngine) -> None:
    async with make_engine(stubborn) as engine:
        run = await engine.start(stubborn.bind())
        await until(lambda: "began" in seen)
        await run.cancel()
        assert await run.result() == "I would rather not"
        assert await run.state() is RunState.SUCCEEDED


release = threading.Event()


@task
def in_a_thread() -> str:
    seen.append("thread began")
    release.wait(30)
    seen.append("thread ended")
    return "too late"


@flow
async def threaded() -> str:
    return await in_a_thread()


async def test_a_thread_cannot_be_stopped_and_this_is_said(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    release.clear()
    async with make_engine(threaded) as engine:
        run = await engine.start(threaded.bind())
        await until(lambda: "thread began" in seen)
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
        assert seen == ["thread began"]
        assert "task in_a_thread of run" in caplog.text
        assert "is still running in its thread" in caplog.text
        release.set()
        await until(lambda: "has ended" in caplog.text)


@flow
async def deaf() -> str:
    end = asyncio.get_running_loop().time() + 30
    while asyncio.get_running_loop().time() < end and "that will do" not in seen:
        try:
            await sleep(timedelta(hours=1))
        except asyncio.CancelledError:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.005)
    return "heard nothing"


async def test_a_flow_that_ignores_it_is_named_after_the_grace(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_engine(deaf, grace=timedelta(milliseconds=20)) as engine:
        run = await engine.start(deaf.bind())
        await until(lambda: engine.node.sessions and engine.node.sessions[run.num].waits)
        await run.cancel()
        await until(lambda: "it ignores its cancellation" in caplog.text)
        assert run.id in caplog.text
        seen.append("that will do")
        engine.node.sessions[run.num].root.cancel()  # type: ignore[union-attr]
        assert await run.result() == "heard nothing"


async def test_a_run_that_has_not_begun_is_cancelled_at_once(make_engine: MakeEngine) -> None:
    async with make_engine() as engine:
        run = await engine.start(working.bind())
        await run.cancel()
        assert await run.state() is RunState.CANCELLED
        assert seen == []
