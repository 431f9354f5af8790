"""Plain asyncio replays: generated programs, killed after every commit, keep the laws of replay."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.property.checking import Loops, Program
from tests.property.coverage import Tally
from tests.property.lives import Plan
from tests.property.trees import SMALL, WIDE, plans

PROGRAMS = int(os.environ.get("PROGRAMS", "2000"))
"""How many programs are made in all."""

FULL = 2000
"""From how many on each construct has to have come up. Of fewer, the rare ones may be missing."""

BATCHES = {"small": (SMALL, 0.38), "wide": (WIDE, 0.62)}
"""The kinds of trees, and their share: more wide ones than half, since not each of them gets wide."""

PARTS = 4
"""Each batch is made in so many parts, so that a failure is found, and told, sooner."""


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("batch", BATCHES)
def test_programs_survive_being_killed_everywhere(loops: Loops, tally: Tally, batch: str, part: int) -> None:
    trees, share = BATCHES[batch]

    @settings(
        phases=[Phase.generate] if "FAST" in os.environ else list(Phase),
        max_examples=max(1, round(PROGRAMS * share / PARTS)),
        database=None,
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType] - its metaclass is what iterates
    )
    @seed(f"{batch} {part}")
    @given(plan=plans(trees), number=st.integers(0, 2**32))
    def every(plan: Plan, number: int) -> None:
        Program(plan, str(number), loops, tally).check()

    every()


@pytest.mark.slow
def test_each_construct_was_covered(tally: Tally) -> None:
    """Comes after the programs, and counts all of them; run alone it has nothing to count."""
    assert tally.programs >= PROGRAMS - PARTS, "run the whole file: this counts what the programs before it covered"
    assert PROGRAMS < FULL or not tally.missing()
