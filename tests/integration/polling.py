"""Waiting for something to have happened, with a deadline instead of a sleep of the right length."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from engine.client import RunHandle
from engine.model.run import RunState


async def until(reached: Callable[[], object] | Callable[[], Awaitable[object]], seconds: float = 20.0) -> None:
    """Return when the condition, which may be `async def`, holds; fails when it does not within the time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = reached()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert asyncio.get_running_loop().time() < deadline, "not reached"
        await asyncio.sleep(0.002)


async def until_state(run: RunHandle[Any], state: RunState) -> None:
    """Return when the store has the run in this state."""

    async def reached() -> bool:
        return await run.state() is state

    await until(reached)
