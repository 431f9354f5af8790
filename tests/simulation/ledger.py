"""The ledger: what really happened, kept outside of the store, with everything that says on whose behalf."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from engine import current
from engine.context import CURRENT
from tests.simulation.loop import PROCESS, VirtualLoop
from tests.simulation.server import Server


@dataclass(eq=False, slots=True)
class Effect:
    """An effect outside: on whose behalf it began, and when it ended, if anybody saw that.

    `aside` are the runs of its lane whose turn it was at that moment, when it was not that of this one alone.
    """

    at: float
    process: str
    run: str
    task: str
    key: str
    idempotency: str
    attempt: int
    epoch: int
    pool: str
    rate: str
    n: int
    aside: tuple[str, ...]
    ended: float | None = None


class Ledger:
    """What really happened. Dead processes have no effects."""

    def __init__(self, loop: VirtualLoop, dice: Random, server: Server) -> None:
        self.loop = loop
        self.dice = dice
        self.server = server
        self.effects: list[Effect] = []


_LEDGER: list[Ledger] = []


def open_ledger(ledger: Ledger) -> None:
    """From now on effects are noted here."""
    _LEDGER[:] = [ledger]


@contextmanager
def effect(n: int = 0, *, pool: str = "", rate: str = "") -> Generator[Ledger]:
    """An effect on the world."""
    me, scope, process = current(), CURRENT.get(), PROCESS.get()
    assert scope is not None
    assert process is not None
    ledger = _LEDGER[0]
    session = cast("Any", scope.session)
    epoch: int = session.epoch
    one = Effect(
        ledger.loop.time(),
        process.name,
        me.run_id,
        me.task,
        me.key,
        me.idempotency_key,
        me.attempt,
        epoch,
        pool,
        rate,
        n,
        () if session.record.lane is None else ledger.server.witness.aside(session.num, epoch),
    )
    if not process.dead:
        ledger.effects.append(one)
    try:
        yield ledger
    finally:
        if not process.dead:
            one.ended = ledger.loop.time()


async def work(ledger: Ledger, longest: float = 0.05) -> None:
    """Take as long as the dice say."""
    roll = ledger.dice.random()
    if roll < 0.4:
        return
    await asyncio.sleep(0 if roll < 0.6 else longest * ledger.dice.random())
