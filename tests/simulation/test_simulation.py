"""Thousands of schedules of crashes, cuts and delays, drawn from seeds: the checker has nothing to say."""

from __future__ import annotations

import pytest

from tests.simulation.playing import play
from tests.simulation.sabotage import SABOTAGES, Sabotage, found

SCHEDULES = 2_000


@pytest.mark.slow
def test_no_schedule_breaks_a_promise() -> None:
    broken = {seed: findings for seed in range(SCHEDULES) if (findings := play(seed).findings)}

    assert not broken, "\n".join(
        f"seed {seed} (make simulate SCHEDULES=1 SEED={seed}): {finding.law}: {finding.what}"
        for seed, findings in broken.items()
        for finding in findings
    )


@pytest.mark.parametrize("seed", [3, 17, 72, 288, 1579, 33148, 33480])
def test_a_seed_is_one_schedule(seed: int) -> None:
    once, again = play(seed), play(seed)

    assert once.trace == again.trace
    assert once.digest == again.digest


def test_seeds_are_different_schedules() -> None:
    assert len({play(seed).digest for seed in range(40)}) == 40


@pytest.mark.slow
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_sabotage_is_noticed(sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage.apply(monkeypatch)

    assert found(sabotage) is not None
