"""One program, killed everywhere: the lives that are led, and which law is checked on which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from engine.model import entry as kinds
from tests.property import laws
from tests.property.lives import Life, Plan, live
from tests.property.trees import kinds as kinds_of
from tests.property.trees import races

MOST_CRASHES = 12
"""Of a program with more commits, so many are drawn; the first, the middle and the last are always among them."""


@dataclass
class Tally:
    """What the programs of one test covered."""

    programs: int = 0
    wide: int = 0
    crashes: int = 0
    lives: int = 0
    without_race: int = 0
    parked: int = 0
    constructs: Counter[str] = field(default_factory=Counter[str])
    happened: Counter[str] = field(default_factory=Counter[str])


async def check(plan: Plan, seed: str, tally: Tally) -> None:
    """Lead the lives of one program and check the laws. Raises Broken."""
    dice = Random(seed)
    first = await live(plan, f"{seed} first")
    laws.check_one_life(first)
    count(plan, first, tally)
    crashes = first.alive
    for number in drawn(len(crashes), dice):
        disk = crashes[number]
        second = await live(plan, f"{seed} {number}", disk)
        tally.lives += 1
        tally.crashes += 1
        laws.check_resumed(first, disk, second)
        if plan.cancel is None and not races(plan.tree):
            laws.check_same(first, second)
        if number == len(crashes) - 1:
            laws.check_complete(first, second)
            continue
        await kill_again(plan, f"{seed} {number}", second, dice, tally)


async def kill_again(plan: Plan, seed: str, second: Life, dice: Random, tally: Tally) -> None:
    """A resumed run is killed once more, somewhere, and its complete journal is replayed."""
    whole = await live(plan, f"{seed} whole", second.alive[-1])
    laws.check_resumed(second, second.alive[-1], whole)
    laws.check_complete(second, whole)
    tally.lives += 1
    later = second.alive[1:-1]
    if not later:
        return
    disk = dice.choice(later)
    third = await live(plan, f"{seed} third", disk)
    laws.check_resumed(second, disk, third)
    tally.lives += 1
    tally.crashes += 1


def drawn(crashes: int, dice: Random) -> list[int]:
    """Numbers of the commits after which the process is killed."""
    if crashes <= MOST_CRASHES:
        return list(range(crashes))
    always = {0, crashes // 2, crashes - 1}
    others = [number for number in range(crashes) if number not in always]
    return sorted({*always, *dice.sample(others, MOST_CRASHES - len(always))})


def count(plan: Plan, life: Life, tally: Tally) -> None:
    """What this program covered."""
    tally.programs += 1
    tally.lives += 1
    tally.wide += life.world.most >= 8
    tally.without_race += not races(plan.tree) and plan.cancel is None
    tally.parked += any(len(stays) > 1 for stays in life.world.stays.values())
    tally.constructs.update(kinds_of(plan.tree).keys())
    for line in life.end.lines():
        tally.happened[f"{line.kind} {line.outcome}"] += line.kind != kinds.STARTED
    tally.happened[f"run {life.outcome[0]}"] += 1
