"""Flows for several nodes on one store: they say which process does what."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from engine import Pool, flow, task
from tests.integration.process import note
from tests.support.polling import until


@task
async def first(number: int) -> int:
    note("first", number)
    return os.getpid()


@task
async def held(number: int) -> int:
    note("held", number, os.getpid())
    await until(Path("go").exists, 60)
    return os.getpid()


@flow
async def shared(number: int) -> list[int]:
    return [await first(number), await held(number)]


@task(pool=Pool("scarce", 2))
async def scarce(number: int) -> int:
    note("enter", number, os.getpid(), time.monotonic_ns())
    await until(Path("go").exists, 60)
    await asyncio.sleep(0)
    note("leave", number, os.getpid(), time.monotonic_ns())
    return number


@flow
async def needs_the_scarce(number: int) -> int:
    return await scarce(number)


@flow
async def needs_it_too(number: int) -> int:
    return await scarce(number)


FLOWS = (shared, needs_the_scarce, needs_it_too)
