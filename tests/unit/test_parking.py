"""Parking: a flow under a wall clock stays in memory, whatever else its module calls `timeout`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import engine
from engine import timeout, wait_for
from engine.runtime.parking import only_ours


async def wall_clock(waiter: asyncio.Future[None]) -> None:
    async with asyncio.timeout(60):
        await waiter


async def wall_clock_around(waiter: asyncio.Future[None]) -> None:
    await asyncio.wait_for(waiter, timeout=60)


async def wall_clock_imported_here(waiter: asyncio.Future[None]) -> None:
    from asyncio import timeout as limit

    async with limit(60):
        await waiter


async def ours(waiter: asyncio.Future[None]) -> None:
    async with timeout(60):
        await waiter


async def ours_by_its_module(waiter: asyncio.Future[None]) -> None:
    async with engine.timeout(60):
        await waiter


async def with_an_argument_called_so(waiter: asyncio.Future[None], timeout: int = 3) -> None:
    print("timeout", timeout, wait_for)
    await waiter


class NoTurns:
    def is_turn(self, future: object) -> bool:
        return False


@pytest.mark.parametrize(
    ("body", "may_leave"),
    [
        (wall_clock, False),
        (wall_clock_around, False),
        (wall_clock_imported_here, False),
        (ours, True),
        (ours_by_its_module, True),
        (with_an_argument_called_so, True),
    ],
)
async def test_who_may_leave_memory(
    body: Callable[[asyncio.Future[None]], Coroutine[Any, Any, None]], may_leave: bool
) -> None:
    waiter = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(body(waiter))
    await asyncio.sleep(0)
    assert only_ours([task], [waiter], NoTurns()) is may_leave
    waiter.set_result(None)
    await task


@pytest.mark.parametrize("foreign", [False, True], ids=["of a task", "of something else"])
async def test_a_shield_is_seen_through(foreign: bool) -> None:
    elsewhere = asyncio.get_running_loop().create_future()
    inner = elsewhere if foreign else asyncio.ensure_future(ours(elsewhere))

    async def shielded() -> None:
        await asyncio.shield(inner)

    task = asyncio.create_task(shielded())
    await asyncio.sleep(0)
    assert only_ours([task], [], NoTurns()) is not foreign
    elsewhere.set_result(None)
    await task
