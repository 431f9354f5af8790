"""A node lets go of a run in the moment in which its flow returns: nobody has swallowed a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from engine import flow
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
