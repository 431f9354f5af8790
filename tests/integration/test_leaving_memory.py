"""Leaving memory: who does not let go of it is named, and who has nothing under way does not stay in it."""

from __future__ import annotations

import asyncio

import pytest

from engine import flow, task, wait_for
from engine.flow import Flow
from engine.model import entry as kinds
from engine.model.run import RunState
from engine.runtime import recording
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state

never: asyncio.Event


@flow
async def clings() -> str:
    try:
        return await wait_for("go", str)
    except asyncio.CancelledError:
        await never.wait()
        raise


@flow
async def returns_instead() -> str:
    try:
        return await wait_for("go", str)
    except asyncio.CancelledError:
        return "left"


@pytest.mark.parametrize("stubborn", [clings, returns_instead])
async def test_its_run_waits_in_the_store_and_hears_its_signal(
    make_engine: MakeEngine, stubborn: Flow[[], str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    global never
    never = asyncio.Event()
    monkeypatch.setattr(recording, "UNWINDING_GRACE", 0.02)
    async with make_engine(stubborn, linger=0) as engine:
        run = await engine.start(stubborn.bind(), id="s")
        await until_state(run, RunState.WAITING)
        assert "caught the cancellation by which it leaves memory" in caplog.text
        await until(lambda: not engine.node.sessions)
        await run.signal("go", "hello")
        assert await run.result() == "hello"
        never.set()


@task
async def quick() -> None:
    """Never begins here."""


@flow
async def changes_its_mind() -> str:
    step = asyncio.create_task(quick())
    step.cancel()
    step.cancel()
    await asyncio.wait([step])
    return await wait_for("go", str)


async def test_a_step_that_was_cancelled_before_it_began_does_not_keep_its_run_in_memory(
    make_engine: MakeEngine,
) -> None:
    async with make_engine(changes_its_mind, linger=0) as engine:
        run = await engine.start(changes_its_mind.bind())
        await until_state(run, RunState.WAITING)
        await until(lambda: not engine.node.sessions)
        await run.signal("go", "hello")
        assert await run.result() == "hello"
        assert [line.kind for line in await engine.store.read(run.num)] == [kinds.WAIT, kinds.SIGNAL]
