"""Waiting for something to have happened, with a deadline instead of a sleep of the right length."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from engine.client import RunHandle
from engine.model.run import RunState

PAUSE: Final = 0.002
"""Seconds between two looks. Whoever asks another process or a server may look less often."""

Condition: TypeAlias = Callable[[], object] | Callable[[], Awaitable[object]]


async def until(
    reached: Condition, seconds: float = 20.0, *, every: float = PAUSE, tell: Callable[[], object] = str
) -> None:
    """Return when the condition, which may be `async def`, holds.

    Fails when it does not within the time, with the condition's code and with what `tell` answers then.
    """
    if not await happens(reached, seconds, every=every):
        raise AssertionError(_late(reached, seconds, tell))


async def happens(reached: Condition, seconds: float, *, every: float = PAUSE) -> bool:
    """Whether the condition, which may be `async def`, comes to hold within the time; returns as soon as it does."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        late = asyncio.get_running_loop().time() >= deadline
        answer = reached()
        if await answer if inspect.isawaitable(answer) else answer:
            return True
        if late:
            return False
        await asyncio.sleep(every)


def wait_until(
    reached: Callable[[], object], seconds: float = 20.0, *, every: float = PAUSE, tell: Callable[[], object] = str
) -> None:
    """`until`, for a thread or a test without a loop."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() >= deadline
        if reached():
            return
        if late:
            raise AssertionError(_late(reached, seconds, tell))
        time.sleep(every)


async def until_state(run: RunHandle[Any], state: RunState) -> None:
    """Return when the store has the run in this state."""
    known: list[RunState] = []

    async def reached() -> bool:
        known[:] = [await run.state()]
        return known == [state]

    await until(reached, tell=lambda: f"{run.id} is {known}, not {state}")


def _late(reached: Condition, seconds: float, tell: Callable[[], object]) -> str:
    try:
        code = inspect.getsource(reached).strip()
    except (OSError, TypeError):  # built in, or bound to an object of C
        code = repr(reached)
    return f"not within {seconds:g} s: {code}\n{tell()}"
