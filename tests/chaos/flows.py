"""The workload's flows: every shape of run that a store has to carry, each with a result that can be foretold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

from engine import Pool, Rate, Retry, current, flow, random, sleep, task, timeout, wait_for
from engine.context import CURRENT
from tests.chaos.ledger import Ledger
from tests.support.shapes import lasting, slept

LANES: Final = Pool("lanes", 4)
DESKS: Final = Pool("desks", 2)
CALLS: Final = Rate("calls", 14, per=timedelta(seconds=4), burst=2)
LARGE: Final = 70_000
"""Characters: more than a journal line holds itself."""

_ledgers: list[Ledger] = []


def keep_in(file: Path) -> Ledger:
    """From now on this process notes its effects here."""
    _ledgers[:] = [Ledger(file)]
    return _ledgers[0]


@contextmanager
def effect(**facts: object) -> Generator[None]:
    """Note that an effect begins, and ends, with everything that says on whose behalf."""
    me, scope = current(), CURRENT.get()
    (ledger,) = _ledgers
    assert scope is not None
    who = {"run": me.run_id, "key": me.idempotency_key, "attempt": me.attempt}
    who |= {"epoch": cast("Any", scope.session).epoch}
    ledger.note("begin", **who, task=me.task, **facts)
    try:
        yield
    finally:
        ledger.note("end", **who)


@task
async def link(n: int, x: int) -> int:
    """A link of a chain."""
    with effect(n=n):
        await asyncio.sleep(0.005)
        return x * 3 + n


@task(pool=LANES)
async def lane(x: int) -> int:
    """Needs one of few slots."""
    with effect(pool=LANES.name):
        await asyncio.sleep(0.03)
        return x * x


@task
def crunch(x: int) -> int:
    """Runs in a thread."""
    with effect():
        time.sleep(0.01)
        return x + 7


@task
async def bulk(x: int) -> str:
    """A result that is kept in the blob store."""
    with effect():
        return str(x % 10) * LARGE


@task(retry=Retry(attempts=9, delay=timedelta(milliseconds=80), factor=1.5))
async def flaky(x: int, failures: int) -> int:
    """Fails a number of times."""
    with effect():
        attempt = current().attempt
        if attempt <= failures:
            raise ConnectionError(f"attempt {attempt} of {x}")
        return attempt


@task
async def hear(x: int, n: int, word: int) -> int:
    """A signal was acted on."""
    with effect(word=word):
        return x + n + word


@task(rate=CALLS)
async def call(x: int, n: int) -> int:
    """As often as a rate allows."""
    with effect(rate=CALLS.name):
        return x + n


@task
async def paper(x: int) -> int:
    """Done in a run that holds a slot of its flow's pool."""
    with effect(pool=DESKS.name):
        await asyncio.sleep(0.05)
        return x + 1


@task
async def tidy(x: int) -> int:
    """What a cancelled run does last."""
    with effect():
        return x


@flow
async def chain(x: int, links: int) -> int:
    """One step after the other."""
    for n in range(links):
        x = await link(n, x)
    return x


@flow
async def fan(x: int, width: int) -> int:
    """Many at once, some in a pool, some in threads."""
    async with asyncio.TaskGroup() as group:
        lanes = [group.create_task(lane(x + n)) for n in range(width)]
        crunched = [group.create_task(crunch(x + n)) for n in range(width // 2)]
    mapped = await crunch.map([x - 1, x - 2, x - 1], concurrency=2)
    return sum(one.result() for one in (*lanes, *crunched)) + sum(mapped)


@flow
async def family(x: int, children: int) -> int:
    """Child runs beside steps of its own."""
    grown = await asyncio.gather(*(chain(x + n, 4) for n in range(children)), link(99, x))
    return sum(grown)


@flow
async def nap(x: int, milliseconds: int) -> list[float]:
    """Sleeps, durably; tells how long its own clock says that it did."""
    return [await slept(link, x, timedelta(milliseconds=milliseconds))]


@flow
async def talk(x: int, words: int) -> list[int]:
    """Waits for signals, and acts on each."""
    heard: list[int] = []
    async with timeout(timedelta(hours=6)):
        for n in range(words):
            word = await wait_for("say", int, timeout=timedelta(hours=5))
            await hear(x, n, word)
            heard.append(word)
    return heard


@flow
async def stubborn(x: int, failures: int) -> list[int]:
    """Retries, twice at once."""
    return list(await asyncio.gather(flaky(x, failures), flaky(x + 1, failures // 2)))


@flow
async def patient(x: int) -> int:
    """Waits until it is cancelled, and tidies up."""
    return await lasting(link, tidy, x)


@flow
async def race(x: int) -> list[int]:
    """Who wins is chance, and must stay what it was: everything after depends on it."""
    dice = int(random() * 1000)
    racers = [asyncio.ensure_future(lane(x + n + dice)) for n in range(3)]
    done, rest = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
    first = sorted(one.result() for one in done)
    second = await crunch(first[0])
    others = [await one for one in rest]
    return [dice, len(first) + len(others), second, await link(1, sum(others))]


@flow
async def heavy(x: int) -> int:
    """Passes a large result on."""
    text = await bulk(x)
    again = await bulk(x + len(text))
    return len(text) + int(again[0]) + await link(0, int(text[0]))


@flow(lane=lambda customer: customer)
async def served(x: int, customer: int, links: int, milliseconds: int) -> int:
    """Has its turn, in which it may leave memory."""
    x = await link(0, x)
    if milliseconds:
        await sleep(timedelta(milliseconds=milliseconds))
    for n in range(1, links):
        x = await link(n, x)
    return x


@flow(singleton="queue", key=lambda shop: shop)
async def queued(x: int, shop: int, links: int) -> int:
    """One at a time, the others wait."""
    for n in range(links):
        x = await link(n, x)
    return x


@flow(singleton="skip", key=lambda shop: shop)
async def stocked(x: int, shop: int, milliseconds: int) -> int:
    """One at a time, the others are not made."""
    x = await link(0, x)
    await sleep(timedelta(milliseconds=milliseconds))
    return await link(1, x)


@flow(singleton="replace", key=lambda shop: shop)
async def reign(x: int, shop: int) -> int:
    """Lasts until another one replaces it."""
    return await lasting(link, tidy, x)


@flow
async def calls(x: int, number: int) -> int:
    """Calls, at once, what lets few in at a time."""
    return sum(await asyncio.gather(*(call(x, n) for n in range(number))))


@flow(pool=DESKS)
async def desk(x: int, papers: int, milliseconds: int) -> int:
    """Needs a slot while it is in memory."""
    for _ in range(papers):
        x = await paper(x)
    if milliseconds:
        await sleep(timedelta(milliseconds=milliseconds))
    return await paper(x)


FLOWS: Final = (
    *(chain, fan, family, nap, talk, stubborn, patient, race, heavy),
    *(served, queued, stocked, reign, calls, desk),
)
