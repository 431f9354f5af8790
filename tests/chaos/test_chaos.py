"""A short battle on each store: whatever becomes of nodes and servers, no promise is broken."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.chaos import report, script
from tests.chaos.arena import Arena, PostgresArena, SQLiteArena
from tests.chaos.battle import Outcome, Plan, fight
from tests.chaos.command import torment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Fight = Callable[[Plan, Arena], Awaitable[Outcome]]


@pytest.fixture
def fought(tmp_path: Path) -> Fight:
    """Fights, and fails with the whole report."""

    async def fought(plan: Plan, arena: Arena) -> Outcome:
        outcome = await fight(plan, arena, tmp_path)
        print(shown := report.text(plan, arena, outcome))
        assert not outcome.findings, shown
        return outcome

    return fought


async def test_nodes_on_postgresql(fought: Fight) -> None:
    few = {script.KILL: 3, script.FREEZE: 2, script.STOP: 2, script.CUT: 3, script.CLOCK: 2}
    few |= {script.FAST: 1, script.IMMEDIATE: 1}
    plan = Plan(seed=secrets.randbits(31), seconds=10, in_hand=16, pace=0.6, server_every=3.0, at_least=few)
    outcome = await fought(plan, PostgresArena(plan.slots))
    assert all(outcome.counts[kind] >= number for kind, number in few.items())


async def test_nodes_on_one_sqlite_file(fought: Fight, tmp_path: Path) -> None:
    few = {script.KILL: 30}
    plan = Plan(
        seed=secrets.randbits(31),
        seconds=5,
        in_hand=16,
        pace=0.25,
        weights=script.FILE_FAULTS | {script.KILL: 200},
        server_weights={},
        at_least=few,
    )
    outcome = await fought(plan, SQLiteArena(tmp_path))
    assert outcome.counts[script.KILL] >= 30


async def test_headrace_run_is_killed_until_it_succeeds(tmp_path: Path) -> None:
    seed = secrets.randbits(31)
    outcome = await torment(tmp_path, seed=seed, runs=2, kills=5, links=50)
    assert not outcome.findings, f"seed {seed}: {outcome.findings}"
    assert outcome.kills == 10
