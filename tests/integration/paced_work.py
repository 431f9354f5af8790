"""Flows of a node that is killed in the moment in which an attempt begins that had waited for its place in a rate."""

from __future__ import annotations

import time
from datetime import timedelta

from engine import Rate, flow, task
from tests.integration.process import die_once, note


@task(rate=Rate("seldom", 2, per=timedelta(seconds=3), burst=1))
async def seldom(number: int) -> int:
    note("began", number, time.monotonic())
    if number == 2:
        die_once()
    return number


@flow
async def two() -> int:
    return await seldom(1) + await seldom(2)


FLOWS = (two,)
