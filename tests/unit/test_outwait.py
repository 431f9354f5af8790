"""Outwaiting a future: no cancellation hurries it, and how it ended is for the caller to read."""

from __future__ import annotations

import asyncio

import pytest

from engine.runtime.futures import outwait


async def test_waiting_outlasts_every_cancellation() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(outwait(future))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    future.set_result("there")
    await waiting
    assert future.result() == "there"


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_future_that_fails_or_is_cancelled_ends_the_waiting_and_nothing_is_raised(cancelled: bool) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(outwait(future))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    if cancelled:
        future.cancel()
    else:
        future.set_exception(ValueError("no"))
    await waiting
    assert future.cancelled() or str(future.exception()) == "no"


async def test_who_has_a_reason_to_stop_waiting_does_so_when_it_is_cancelled() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reasons: list[str] = []
    waiting = asyncio.create_task(outwait(future, unless=lambda: bool(reasons)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    reasons.append("closed")
    waiting.cancel()
    await waiting
    assert not future.done()
