"""Plain asyncio replays: generated programs, killed after every commit, keep the laws of replay."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.property.checking import Tally, check
from tests.property.lives import Plan
from tests.property.trees import SMALL, WIDE

PROGRAMS = int(os.environ.get("PROGRAMS", "500"))

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def plans(trees: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[Plan]:
    some = st.one_of(st.none(), st.none(), st.none(), st.none(), st.none(), st.integers(2, 9))
    return st.builds(Plan, tree=trees, lenient=st.booleans(), linger=st.sampled_from([True, True, False]), cancel=some)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    made = LOOPS[request.param]()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("trees", [SMALL, WIDE], ids=["small", "wide"])
def test_programs_survive_being_killed_everywhere(
    loop: asyncio.AbstractEventLoop, trees: st.SearchStrategy[list[Any]]
) -> None:
    tally = Tally()

    @settings(
        phases=[Phase.generate] if "FAST" in os.environ else list(Phase),
        max_examples=PROGRAMS,
        derandomize=True,
        database=None,
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType] - its metaclass is what iterates
    )
    @given(plan=plans(trees), seed=st.integers(0, 2**32))
    def every(plan: Plan, seed: int) -> None:
        loop.run_until_complete(check(plan, str(seed), tally))

    every()
    print(tally)
