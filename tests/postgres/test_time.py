"""The server's clock judges: a machine whose wall clock is hours off, or is set, neither hurries nor delays a run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from engine import Engine, flow, now, sleep
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
