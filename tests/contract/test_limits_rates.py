"""Rates: places in a line, given by the store, the same for everybody on it."""

from __future__ import annotations

import asyncio
import time

from engine.ports.store import Store

HOUR = 3600 * 10**9
SOON = 20 * 10**9
"""Nanoseconds that a call may take at most; a store with a clock of its own counts them."""


async def reserve(store: Store, rate: str = "api", *, burst: int = 3) -> int:
    return await store.reserve(rate, interval=HOUR, burst=burst, now=time.time_ns())


async def test_a_burst_is_at_once_and_the_others_are_evenly_apart(store: Store, other: Store) -> None:
    assert [await reserve(at) for at in (store, other, store)] == [0, 0, 0]
    for hours, at in enumerate((other, store, other), 1):
        delay = await reserve(at)
        assert hours * HOUR - SOON < delay <= hours * HOUR


async def test_rates_do_not_know_each_other(store: Store) -> None:
    assert [await reserve(store, name, burst=1) for name in ("a", "b", "größe: 1")] == [0, 0, 0]
    assert await reserve(store, "a", burst=1) > HOUR - SOON


async def test_time_gives_places_back(store: Store) -> None:
    """A thousandth of a second at a time, so that the clock of the store itself can be watched."""
    delays: list[int] = []
    for _ in range(50):
        delays.append(await store.reserve("api", interval=1_000_000, burst=1, now=time.time_ns()))
        await asyncio.sleep(max(0.002, 2 * delays[-1] / 1e9))
    assert delays[0] == 0
    assert max(delays) <= 1_000_000  # nobody's place is further away than the one before it was


async def test_places_asked_for_at_once_are_all_different(store: Store, other: Store) -> None:
    asked = [reserve(at, burst=5) for _ in range(10) for at in (store, other)]
    hours = sorted(round(delay / HOUR, 1) for delay in await asyncio.gather(*asked))
    assert hours == [0.0] * 5 + [float(n) for n in range(1, 16)]


async def test_a_rate_at_rest_costs_no_row(store: Store) -> None:
    """Keys may be as many as customers: what is over is forgotten, what is not stays."""
    await reserve(store, "kept", burst=1)
    for n in range(1_000):
        await store.reserve(f"customer {n}", interval=1, burst=1, now=time.time_ns())
    assert await reserve(store, "kept", burst=1) > HOUR - SOON
