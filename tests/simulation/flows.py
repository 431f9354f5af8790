"""Flows without limits of their own: small ones, of every shape, each with a result that can be foretold."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from engine import Pool, Retry, current, flow, sleep, task, timeout, wait_for
from tests.simulation.ledger import effect, work
from tests.support.shapes import lasting, slept

LANES: Final = Pool("lanes", 2)


@task
async def link(n: int, x: int) -> int:
    """A link of a chain."""
    with effect(n) as ledger:
        await work(ledger)
    return x * 3 + n


@task(pure=True)
async def pure(n: int, x: int) -> int:
    """One whose result may be recorded behind."""
    return x + n


@task(pool=LANES)
async def lane(x: int) -> int:
    """Needs one of few slots."""
    with effect(pool=LANES.name) as ledger:
        await work(ledger, ledger.dice.choice((0.3, 0.3, 2.5)))
    return x * x


@task(retry=Retry(attempts=9, delay=timedelta(milliseconds=300), factor=1.5))
async def flaky(x: int, failures: int) -> int:
    """Fails a number of times."""
    with effect() as ledger:
        await work(ledger)
    attempt = current().attempt
    if attempt <= failures:
        raise ConnectionError(f"attempt {attempt} of {x}")
    return attempt


@task(pool=LANES, timeout=timedelta(seconds=0.4), retry=Retry(attempts=9, delay=timedelta(milliseconds=10)))
async def hasty(x: int, slow: int) -> int:
    """Is too slow a number of times, with a slot in its hand."""
    with effect(pool=LANES.name) as ledger:
        await work(ledger, 0.3)
        if current().attempt <= slow:
            await asyncio.sleep(60)
    return x + 1


@task
async def hear(n: int, word: int) -> int:
    """A signal was acted on."""
    with effect(n) as ledger:
        await work(ledger)
    return word


@task
async def tidy(x: int) -> int:
    """What a cancelled run does last."""
    with effect() as ledger:
        await work(ledger)
    return x


@flow
async def chain(x: int, links: int) -> int:
    """One step after the other."""
    for n in range(links):
        x = await link(n, x)
        if n % 2:
            x = await pure(n, x)
    return x


@flow
async def fan(x: int, width: int) -> int:
    """Many at once, some in a pool."""
    async with asyncio.TaskGroup() as group:
        lanes = [group.create_task(lane(x + n)) for n in range(width)]
        links = [group.create_task(link(n, x)) for n in range(width)]
    return sum(one.result() for one in (*lanes, *links))


@flow
async def family(x: int, children: int) -> int:
    """Child runs beside a step of its own."""
    return sum(await asyncio.gather(*(chain(x + n, 2) for n in range(children)), link(99, x)))


@flow
async def nap(x: int, seconds: float) -> float:
    """Sleeps, durably; tells how long its own clock says that it did."""
    return await slept(link, x, seconds)


@flow
async def talk(x: int, words: int) -> list[int]:
    """Waits for signals, and acts on each."""
    heard: list[int] = []
    async with timeout(timedelta(hours=6)):
        for n in range(words):
            word = await wait_for("say", int, timeout=timedelta(hours=5))
            heard.append(await hear(n, word))
    return heard


@flow
async def stubborn(x: int, failures: int) -> list[int]:
    """Retries, several at once."""
    return list(await asyncio.gather(flaky(x, failures), *(hasty(x + n, failures) for n in range(3))))


@flow
async def patient(x: int) -> int:
    """Waits until it is cancelled, and tidies up."""
    return await lasting(link, tidy, x)


@flow
async def guardian(x: int) -> int:
    """Has a child that waits; cancelled with it."""
    try:
        return await patient(x + 1)
    except asyncio.CancelledError:
        await tidy(x)
        raise


@flow
async def race(x: int) -> list[int]:
    """Who wins is chance, and must stay what it was: everything after depends on it."""
    racers = [asyncio.ensure_future(lane(x + n)) for n in range(3)]
    done, rest = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
    first = sorted(one.result() for one in done)
    second = await link(first[0], x)
    others = [await one for one in rest]
    return [first[0], second, sum(first) + sum(others), await link(len(first), sum(first))]


@flow
async def bounded(x: int) -> int:
    """Gives up waiting after a time, once for a sleep and once for a signal."""
    try:
        async with timeout(0.4):
            await link(0, x)
            await sleep(50)
    except TimeoutError:
        x = await link(1, x)
    try:
        await wait_for("nothing", int, timeout=0.3)
    except TimeoutError:
        x = await link(2, x)
    return x


@flow(timeout=timedelta(seconds=1.5))
async def overdue(x: int) -> int:
    """Takes longer than it may, and tidies up."""
    try:
        await link(0, x)
        await sleep(50)
    except asyncio.CancelledError:
        await tidy(x)
        raise
    return x


PLAIN: Final = (chain, fan, family, nap, talk, stubborn, patient, guardian, race, bounded, overdue)
