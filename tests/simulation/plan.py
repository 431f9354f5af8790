"""The plan of a schedule, drawn from its seed: the runs, what is asked of them, the weather and the faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.simulation.wire import FAIR, Weather

WEATHERS: Final = (
    FAIR,
    Weather(0.9, 0.02, 0.0, 0.0, 0.3),
    Weather(0.7, 0.05, 0.0, 0.0, 0.5),
    Weather(0.3, 0.3, 0.0, 0.0, 1.0),
    Weather(0.8, 0.1, 0.02, 0.05, 0.3),
    Weather(0.9, 0.05, 0.05, 0.2, 1.0),
)

KINDS: Final = ("kill", "kill", "fuse", "fuse", "freeze", "freeze", "cut", "stop", "clock", "spare")


@dataclass(frozen=True)
class Asked:
    """A run that clients ask for at a time, what they say to it, and when they want it cancelled."""

    id: str
    flow: str
    params: dict[str, Any]
    at: float
    words: Sequence[tuple[float, int]] = ()
    cancel: float | None = None


@dataclass(frozen=True)
class Fault:
    """Something that happens to one of the nodes; `size` is seconds, or calls for a fuse."""

    at: float
    kind: str
    victim: float
    size: float


@dataclass(frozen=True)
class Plan:
    """All that is drawn before a schedule begins."""

    seed: int
    nodes: int
    immediate: bool
    linger: float
    concurrency: int
    steadfast: bool
    weather: Weather
    runs: Sequence[Asked]
    faults: Sequence[Fault]

    @property
    def jumps(self) -> bool:
        """True when a node's clock is set during the schedule."""
        return any(fault.kind == "clock" for fault in self.faults)


def draw(seed: int) -> Plan:
    """The plan of this seed."""
    dice = Random(seed)
    return Plan(
        seed=seed,
        nodes=dice.choice((1, 2, 2, 2, 3)),
        immediate=dice.random() < 0.35,
        linger=dice.choice((0.01, 0.1, 1.0)),
        concurrency=dice.choice((2, 100, 100)),
        steadfast=dice.random() < 0.5,
        weather=dice.choice(WEATHERS),
        runs=[_run(dice, number) for number in range(dice.choice((1, 2, 2, 3)))],
        faults=sorted((_fault(dice) for _ in range(dice.choice((1, 2, 2, 3, 4)))), key=lambda fault: fault.at),
    )


def _run(dice: Random, number: int) -> Asked:
    x = dice.randrange(100)
    at = dice.choice((0.0, 0.0, dice.random()))
    flow, params = dice.choice(_SHAPES)
    drawn = {name: dice.choice(values) for name, values in params.items()}
    words = [(at + 2 * dice.random(), dice.randrange(100)) for _ in range(drawn.get("words", 0))]
    cancel = at + 2 * dice.random() if flow in CANCELLED else None
    return Asked(f"{flow}-{number}", flow, {"x": x, **drawn}, at, sorted(words), cancel)


CANCELLED: Final = frozenset({"patient", "guardian"})
"""Flows that end by being cancelled, and not otherwise."""

_SHAPES: Final[Sequence[tuple[str, dict[str, Sequence[Any]]]]] = (
    ("chain", {"links": (2, 4, 7)}),
    ("chain", {"links": (2, 4, 7)}),
    ("fan", {"width": (2, 3, 4)}),
    ("fan", {"width": (2, 3, 4)}),
    ("family", {"children": (1, 2)}),
    ("nap", {"seconds": (0.2, 0.8, 2.5)}),
    ("talk", {"words": (1, 2, 3)}),
    ("stubborn", {"failures": (1, 2)}),
    ("patient", {}),
    ("guardian", {}),
    ("race", {}),
    ("bounded", {}),
    ("overdue", {}),
    ("careful", {}),
)


def _fault(dice: Random) -> Fault:
    kind = dice.choice(KINDS)
    size = float(dice.randrange(1, 40)) if kind == "fuse" else dice.choice((0.3, 1.0, 3.5)) * (0.5 + dice.random())
    if kind == "clock" and dice.random() < 0.5:
        size = -size
    return Fault(2.5 * dice.random() ** 2, kind, dice.random(), size)
