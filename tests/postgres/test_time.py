"""The server's clock judges: a machine whose wall clock is hours off, or is set, neither hurries nor delays a run."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from engine import Engine, flow, now, sleep, task
from engine.runtime.clock import SystemClock


class WrongClock(SystemClock):
    """So many seconds ahead."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def now(self) -> int:
        return SystemClock.now() + int(self.ahead * 1e9)


CLOCKS: list[WrongClock] = []


@flow
async def nap() -> list[str]:
    """Sleeps; while it does, somebody sets the clock."""
    before = now()
    for clock in CLOCKS:
        clock.ahead = -clock.ahead
    await sleep(timedelta(milliseconds=300))
    return [before.isoformat(), now().isoformat()]


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_clock_that_is_wrong_and_is_set_changes_nothing(url: str, hours: int) -> None:
    clock = WrongClock(hours * 3600)
    CLOCKS[:] = [clock]
    async with Engine(url, flows=[nap], clock=clock) as engine:
        began = time.monotonic()
        before, after = map(datetime.fromisoformat, await engine.run(nap.bind()))
        took = time.monotonic() - began
    assert 0.3 <= took < 10
    assert timedelta(milliseconds=300) <= after - before < timedelta(seconds=10)
    assert abs(datetime.now(UTC) - after) < timedelta(seconds=10)


HELD: list[str] = []


@task
async def held(seconds: float) -> str:
    """Longer than a lease."""
    HELD.append("begun")
    await asyncio.sleep(seconds)
    return "whole"


@flow
async def holding(seconds: float) -> str:
    """Stays in memory all the time."""
    return await held(seconds)


async def test_leases_are_the_server_s_business_whatever_nodes_take_the_time_to_be(url: str) -> None:
    HELD.clear()
    store = f"{url}&lease=0.8"
    async with (
        Engine(store, flows=[holding], clock=WrongClock(-3600)) as behind,
        Engine(store, flows=[holding], clock=WrongClock(3600)) as ahead,
    ):
        run = await behind.start(holding.bind(3.0))
        seen = set[tuple[str, bool]]()
        ended = asyncio.ensure_future(run.result())
        while not ended.done():
            seen |= {(node.id, node.alive) for node in await ahead.store.nodes()}
            await asyncio.sleep(0.05)
        assert await ended == "whole"
    assert seen == {(behind.node.id, True), (ahead.node.id, True)}
    assert HELD == ["begun"]
