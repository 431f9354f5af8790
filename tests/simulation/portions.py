"""Portions: many schedules, one after the other, as one of several processes plays them."""

from __future__ import annotations

import gc
import time
from typing import Final, NamedTuple

from tests.simulation.playing import Played, play
from tests.simulation.simulating import simulating

PORTION: Final = 500
"""Schedules that a process plays at a time."""

WARM: Final = 20
"""Schedules after which all code has been loaded, and what it makes once has been made."""

SWEPT: Final = 5
"""Schedules whose garbage is swept at once, a megabyte; a part of `WARM`."""


class Portion(NamedTuple):
    """Schedules that were played, the seconds of a core that they took, and what is to be said about each finding."""

    schedules: int
    busy: float
    findings: list[str]


def play_all(seeds: range) -> Portion:
    """Play one seed after the other."""
    began, findings = time.process_time(), list[str]()
    gc.disable()
    try:
        with simulating():
            for count, seed in enumerate(seeds, 1):
                if (played := play(seed)).findings:
                    findings.append(told(played))
                if count % SWEPT == 0:
                    gc.collect()
                if count == WARM:  # garbage is not looked for in code, and in what it keeps
                    gc.freeze()
    finally:
        gc.enable()
    return Portion(len(seeds), time.process_time() - began, findings)


def told(played: Played) -> str:
    """What was found in a schedule, and how to play it again."""
    said = [f"  {finding.law}: {finding.what}" for finding in played.findings[:5]]
    return "\n".join([f"seed {played.seed}, digest {played.digest}:", *said])
