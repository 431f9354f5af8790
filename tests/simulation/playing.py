"""Playing a seed: the plan is drawn, the schedule is played, the checker looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tests.simulation.checker import Finding, check
from tests.simulation.loop import Stuck
from tests.simulation.plan import draw
from tests.simulation.schedule import Schedule
from tests.simulation.simulating import simulating


@dataclass
class Played:
    """A schedule that is over, and what was found."""

    seed: int
    schedule: Schedule
    findings: list[Finding]

    @cached_property
    def trace(self) -> list[str]:
        """What happened, in order."""
        return self.schedule.trace.lines()

    @property
    def digest(self) -> str:
        """The same for the same seed and code."""
        return self.schedule.trace.digest


def play(seed: int) -> Played:
    """Play one seed."""
    with simulating():
        schedule = Schedule(draw(seed))
        try:
            schedule.play()
        except Stuck:
            schedule.stuck = True
        return Played(seed, schedule, check(schedule))
