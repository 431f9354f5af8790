"""The world that generated programs run in: chance by seed, and a ledger of what really happened.

One `World` is one life of one process. Bodies of tasks end in an order that depends on its seed, so that two lives of
one program never agree on who is quicker, and they write down that they ran; flows write down what they saw.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import Any

from engine import current, sleep

Seen = tuple[Any, ...]


@dataclass(frozen=True)
class Snapshot:
    """What was known in a life when a disk of it was written."""

    seen: dict[str, tuple[Seen, ...]]
    begun: frozenset[tuple[str, str]]


@dataclass
class World:
    """What one life did. `stays` has, for each run and each time it was called from the top, what its code saw.

    `met` counts the constructs that the code came to; `most` is how many steps of one run were executing at once.
    """

    seed: str
    executed: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    idempotency: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    stays: defaultdict[str, list[list[Seen]]] = field(default_factory=lambda: defaultdict(list))
    running: Counter[str] = field(default_factory=Counter[str])
    most: int = 0
    met: Counter[str] = field(default_factory=Counter[str])

    def began(self) -> None:
        """A flow is called from the top."""
        self.stays[current().run_id].append([])

    def saw(self, *what: Any) -> None:
        """The code of a flow has learned something."""
        self.stays[current().run_id][-1].append(what)

    def executing(self) -> None:
        """A body is executed: write down whose."""
        me = current()
        self.executed.append((me.run_id, me.key, me.attempt))
        self.idempotency[me.run_id, me.key] = me.idempotency_key

    async def work(self, *, slow: bool = False) -> None:
        """Be executed, and take as long as the dice say, also when it is called off."""
        me = current()
        self.executing()
        self.running[me.run_id] += 1
        self.most = max(self.most, self.running[me.run_id])
        dice = Random(f"{self.seed}|{me.run_id}|{me.key}|{me.attempt}")
        try:
            for _ in range(dice.randrange(7)):
                await asyncio.sleep(0)
            if slow:
                await sleep(dice.choice((5, 20, 90)))
            elif dice.random() < 0.12:
                await sleep(dice.choice((0.001, 1, 2, 3, 8)))
        except asyncio.CancelledError:
            for _ in range(dice.choice((0, 0, 1, 5))):
                await asyncio.sleep(0)
            if dice.random() < 0.2:
                await sleep(dice.choice((1, 3)))
            raise
        finally:
            self.running[me.run_id] -= 1

    def snapshot(self) -> Snapshot:
        """What each run has seen in its present stay, and which steps were executed in this life."""
        seen = {run: tuple(stays[-1]) for run, stays in self.stays.items() if stays}
        return Snapshot(seen, frozenset((run, key) for run, key, _ in self.executed))


_now: ContextVar[World] = ContextVar("world")
"""In the context: a thread that outlives its life writes into the ledger of that life, not into the next one's."""


def world() -> World:
    """The life that the caller belongs to."""
    return _now.get()


def enter(life: World) -> None:
    """Begin a life; all that is started from here on belongs to it."""
    _now.set(life)
