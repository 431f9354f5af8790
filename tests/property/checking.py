"""One program, killed everywhere: the lives that are led, on which loop, and which law is checked on which."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random

from engine.testing.disk import Disk
from tests.property import laws
from tests.property.coverage import Tally
from tests.property.lives import Life, Plan, live
from tests.property.trees import calls_off, races

Loops = Mapping[str, asyncio.AbstractEventLoop]

KILLED_AGAIN = 2
"""Of the lives that resume a program, so many are killed again, at a commit that the dice choose."""


class Program:
    """A program and the lives it is led through. Each life draws its loop, so that journals change loops as well."""

    def __init__(self, plan: Plan, seed: str, loops: Loops, tally: Tally) -> None:
        self.plan = plan
        self.seed = seed
        self.loops = loops
        self.tally = tally
        self.dice = Random(seed)
        self._loop = ""

    def check(self) -> None:
        """Lead the lives and check the laws. Raises Broken."""
        first = self.live("first")
        laws.check_one_life(first)
        self.tally.count(first)
        crashes = first.alive
        again = self.dice.sample(range(len(crashes) - 1), min(KILLED_AGAIN, len(crashes) - 1))
        for number, disk in enumerate(crashes):
            second = self.live(f"{number}", disk)
            self.tally.crashes += 1
            self.check_resumed(first, disk, second)
            if disk is crashes[-1]:
                laws.check_complete(first, second)
            elif number in again:
                self.kill_again(number, second)

    def live(self, name: str, disk: Disk | None = None) -> Life:
        """Lead a life, on a loop that the dice choose."""
        before, self._loop = self._loop, self.dice.choice([*self.loops])
        self.tally.lives[self._loop] += 1
        self.tally.moved += disk is not None and before != self._loop
        return self.loops[self._loop].run_until_complete(live(self.plan, f"{self.seed} {name}", disk))

    def check_resumed(self, before: Life, disk: Disk, after: Life) -> None:
        """The laws of a life that began with the disk of another."""
        laws.check_resumed(before, disk, after)
        if self.plan.cancel is not None or races(self.plan.tree):
            return
        laws.check_same(before, after)
        self.tally.unraced += 1
        if not calls_off(self.plan.tree):
            laws.check_nothing_orphaned(disk, after)
            self.tally.orphans += 1

    def kill_again(self, number: int, second: Life) -> None:
        """A resumed run is killed once more, somewhere, and its complete journal is replayed."""
        whole = self.live(f"{number} whole", second.alive[-1])
        self.check_resumed(second, second.alive[-1], whole)
        laws.check_complete(second, whole)
        if later := second.alive[1:-1]:
            disk = self.dice.choice(later)
            self.check_resumed(second, disk, self.live(f"{number} third", disk))
            self.tally.crashes += 1
