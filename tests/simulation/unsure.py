"""Flows with effects that must not be repeated blindly: some ask what to do then, some give up."""

from __future__ import annotations

import asyncio
from typing import Final

from engine import flow, task
from engine.model.errors import UnknownOutcome
from tests.simulation.flows import link
from tests.simulation.ledger import effect, work
from tests.simulation.limited import CALLS


@task(on_unknown="ask")
async def delicate(x: int) -> int:
    """Must not be done twice."""
    with effect() as ledger:
        await work(ledger)
    return x + 5


@task(on_unknown="ask", rate=CALLS)
async def ring(x: int, line: int) -> int:
    """Must not be done twice, and as often as a rate allows."""
    with effect(rate=f"{CALLS.name}:{line}") as ledger:
        await work(ledger, 0.3)
    return x + 8


@task(on_unknown="fail", rate=CALLS)
async def fatal(x: int, line: int | None) -> int:
    """Must not be done twice: a person looks at it first. Some have a rate."""
    with effect(rate="" if line is None else f"{CALLS.name}:{line}") as ledger:
        await work(ledger, 0.3)
    return x + 7


@flow
async def careful(x: int) -> list[int]:
    """Asks rather than doing something twice."""
    done: list[int] = []
    for n in range(2):
        try:
            done.append(await delicate(x + n))
        except UnknownOutcome:
            done.append(await link(n, -1))
    return done


@flow
async def rings(x: int, number: int, line: int) -> list[int]:
    """The same, several at once, and each has to wait for its place."""

    async def rung(n: int) -> int:
        try:
            return await ring(x + n, line)
        except UnknownOutcome:
            return await link(n, -1)

    return list(await asyncio.gather(*(rung(n) for n in range(number))))


@flow
async def strict(x: int, number: int, line: int | None) -> int:
    """Fails rather than doing something twice; what it is told then is not for it to handle."""
    try:
        for _ in range(number):
            x = await fatal(x, line)
    except UnknownOutcome:
        return -1
    return x


UNSURE: Final = (careful, rings, strict)

ONCE: Final = frozenset({task.name for task in (delicate, ring, fatal)})
"""Tasks whose effects begin once at most, whatever happens."""
