"""Flows in lanes for several nodes on one store: they note when they begin and end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine import flow, task
from tests.integration.process import note
from tests.support.polling import until


@task
async def held(customer: str, number: int) -> int:
    note("begin", customer, number)
    if Path(f"hold-{customer}-{number}").exists():
        await until(lambda: not Path(f"hold-{customer}-{number}").exists(), 60)
    await asyncio.sleep(0)
    note("end", customer, number)
    return number


@flow(lane=lambda customer: customer)
async def bill(customer: str, number: int) -> int:
    return await held(customer, number)


FLOWS = (bill,)
