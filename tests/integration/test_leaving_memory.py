"""A flow that does not let go of memory when it is told to is named, and its run goes on all the same."""

from __future__ import annotations

import asyncio

import pytest

from engine import flow, wait_for
from engine.flow import Flow
from engine.model.run import RunState
from engine.runtime import recording
from tests.integration.conftest import MakeEngine
from tests.integration.polling import until, until_state

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
