"""Shapes of runs that several workloads have, whatever the steps are that they take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from engine import now, sleep, wait_for

Link: TypeAlias = Callable[[int, int], Awaitable[int]]
Tidy: TypeAlias = Callable[[int], Awaitable[int]]


def linked(x: int, links: int) -> int:
    """What links make of a number, one after the other, each of which gives `x * 3 + n`."""
    for n in range(links):
        x = x * 3 + n
    return x


async def slept(link: Link, x: int, pause: timedelta | float) -> float:
    """Seconds that a durable sleep between two links took, by the run's own clock."""
    await link(0, x)
    before = now()
    await sleep(pause)
    after = now()
    await link(1, x)
    return (after - before).total_seconds()


async def lasting(link: Link, tidy: Tidy, x: int) -> int:
    """A link, and a wait for what never comes; whoever is cancelled tidies up."""
    try:
        await link(0, x)
        await wait_for("never", int)
    except asyncio.CancelledError:
        await tidy(x)
        raise
    return x
