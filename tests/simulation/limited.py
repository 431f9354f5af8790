"""Flows with turns and limits: lanes, singletons, rates, pools of runs; and those whose results are large."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from engine import Pool, Rate, Retry, current, flow, sleep, task
from tests.simulation.flows import LANES, chain, link, tidy
from tests.simulation.ledger import effect, work
from tests.support.shapes import lasting

DESKS: Final = Pool("desks", 2)
CALLS: Final = Rate("calls", 3, per=timedelta(seconds=2), burst=2, key=lambda line: line)
STARTS: Final = Rate("starts", 2, per=timedelta(seconds=1), burst=1)

LARGE: Final = 70_000
"""Characters: more than a journal line holds itself."""


class Refused(Exception):
    """What a flow that is to fail fails with."""


@task(rate=CALLS, retry=Retry(attempts=9, delay=timedelta(milliseconds=10)))
async def call(x: int, line: int | None, failures: int) -> int:
    """As often as a rate allows; each attempt counts."""
    with effect(rate="" if line is None else f"{CALLS.name}:{line}") as ledger:
        await work(ledger)
    if current().attempt <= failures:
        raise ConnectionError(f"nobody answers {x}")
    return x + 1


@task(rate=CALLS, pool=LANES)
async def dial(x: int, line: int) -> int:
    """As often as a rate allows, and needs a slot, for which it may have to wait longer than for its place."""
    with effect(rate=f"{CALLS.name}:{line}", pool=LANES.name) as ledger:
        await work(ledger, 0.3)
    return x + 2


@task
async def paper(x: int) -> int:
    """Done in a run that holds a slot of its flow's pool."""
    with effect(pool=DESKS.name) as ledger:
        await work(ledger, 0.3)
    return x + 1


@task(pool=DESKS)
async def errand(x: int) -> int:
    """Needs a slot of a pool that runs hold, too."""
    with effect(pool=DESKS.name) as ledger:
        await work(ledger, 0.5)
    return x + 3


@task
async def bulk(x: int) -> list[str]:
    """A result that is kept in the blob store."""
    with effect() as ledger:
        await work(ledger)
    return [str(x % 10) * LARGE]


@task
async def weigh(texts: list[str]) -> int:
    """Is given what is large."""
    with effect() as ledger:
        await work(ledger)
    return len(texts[0]) + int(texts[0][0])


@flow(lane=lambda customer: customer)
async def served(x: int, customer: int, links: int, seconds: float, ends_well: bool) -> int:
    """Has its turn, in which it may leave memory."""
    x = await link(0, x)
    if seconds:
        await sleep(seconds)
    for n in range(1, links):
        x = await link(n, x)
    if not ends_well:
        raise Refused(f"{x} of {customer}")
    return x


@flow(singleton="queue")
async def queued(x: int, links: int) -> int:
    """One at a time, the others wait."""
    for n in range(links):
        x = await link(n, x)
    return x


@flow(singleton="skip", key=lambda shop: shop)
async def stocked(x: int, shop: int, seconds: float) -> int:
    """One at a time, the others are not made."""
    x = await link(0, x)
    await sleep(seconds)
    return await link(1, x)


@flow(singleton="replace", key=lambda shop: shop)
async def reign(x: int, shop: int) -> int:
    """Lasts until another one replaces it, or somebody cancels it."""
    return await lasting(link, tidy, x)


@flow
async def calls(x: int, number: int, line: int | None, failures: int) -> int:
    """Calls, several at once, what lets few in at a time."""
    return sum(await asyncio.gather(*(call(x + n, line, failures) for n in range(number))))


@flow
async def dials(x: int, number: int, line: int) -> int:
    """The same, with a pool."""
    return sum(await asyncio.gather(*(dial(x + n, line) for n in range(number))))


@flow(rate=STARTS)
async def metered(x: int) -> int:
    """Few of them start in a time."""
    return await link(0, x)


@flow
async def fleet(x: int, children: int) -> int:
    """Child runs of which few start in a time."""
    return sum(await asyncio.gather(*(metered(x + n) for n in range(children))))


@flow(pool=DESKS)
async def desk(x: int, papers: int, seconds: float, helped: bool) -> int:
    """Needs a slot while it is in memory, and gives it back while it waits for long."""
    for _ in range(papers):
        x = await paper(x)
    if seconds:
        await sleep(seconds)
    if helped:
        x = await chain(x, 1)
    return await paper(x)


@flow
async def errands(x: int, number: int) -> int:
    """Steps that share a pool with runs."""
    return sum(await asyncio.gather(*(errand(x + n) for n in range(number))))


@flow
async def agency(x: int, customer: int, children: int) -> int:
    """Child runs in one lane, which others use as well."""
    return sum(await asyncio.gather(*(served(x + n, customer, 1, 0.0, True) for n in range(children))))


@flow
async def impatient(x: int, depth: int) -> int:
    """Child runs in child runs, and none of them can leave memory: it has a clock of its own."""
    async with asyncio.timeout(1000):
        return x + (await impatient(x + 1, depth - 1) if depth else await link(0, x))


@flow
async def heavy(x: int, large: bool) -> list[str]:
    """Passes a large result on, and may answer one."""
    texts = await bulk(x)
    weight = await weigh(texts)
    return texts if large else [str(weight)]


@flow
async def courier(x: int, seconds: float) -> int:
    """Is given a large result by a child, which may be gone long before itself."""
    weight = await weigh(await heavy(x, True))
    if seconds:
        await sleep(seconds)
    return weight


LIMITED: Final = (
    *(served, queued, stocked, reign, calls, dials, metered, fleet, desk, errands, agency, impatient),
    *(heavy, courier),
)
