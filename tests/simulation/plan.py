"""The plan of a schedule, drawn from its seed: the runs, what is asked of them, the weather and the faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any, Final

from tests.simulation.wire import FAIR, Weather
from tests.simulation.witness import Duty

WEATHERS: Final = (
    FAIR,
    Weather(0.9, 0.02, 0.0, 0.0, 0.3),
    Weather(0.7, 0.05, 0.0, 0.0, 0.5),
    Weather(0.3, 0.3, 0.0, 0.0, 1.0),
    Weather(0.8, 0.1, 0.02, 0.05, 0.3),
    Weather(0.9, 0.05, 0.05, 0.2, 1.0),
)

KINDS: Final = ("kill", "kill", "fuse", "fuse", "freeze", "freeze", "cut", "stop", "clock", "spare", "blobs")


@dataclass(frozen=True)
class Asked:
    """A run that clients ask for at a time, what they say to it, and when they want it cancelled."""

    id: str
    flow: str
    params: dict[str, Any]
    at: float
    priority: int | None = None
    queue: str | None = None
    requires: tuple[str, ...] = ()
    words: Sequence[tuple[float, int]] = ()
    cancel: float | None = None
    version: str = "1"


@dataclass(frozen=True)
class Fault:
    """Something that happens to one of the nodes, or to the blobs; `size` is seconds, or calls for a fuse."""

    at: float
    kind: str
    victim: float
    size: float


@dataclass(frozen=True)
class Plan:
    """All that is drawn before a schedule begins.

    duties  of the nodes; the first one takes every run
    echo    a node is told of what it has written itself
    keep    seconds for which ended runs are kept, if not for ever
    prunes  when somebody forgets the older ones, who is no node
    """

    seed: int
    duties: Sequence[Duty]
    immediate: bool
    echo: bool
    linger: float
    concurrency: int
    weather: Weather
    runs: Sequence[Asked]
    faults: Sequence[Fault]
    keep: float | None = None
    prunes: Sequence[float] = ()

    @property
    def jumps(self) -> bool:
        """True when a node's clock is set during the schedule."""
        return any(fault.kind == "clock" for fault in self.faults)


def draw(seed: int) -> Plan:
    """The plan of this seed."""
    dice, numbers = Random(seed), count()
    weather = dice.choice(WEATHERS)
    # Who asks again for what has been forgotten gets it a second time: nobody does while no answer is lost.
    keep = None if weather.unsure else dice.choice((None, None, 0.2, 0.6))
    return Plan(
        seed=seed,
        duties=[Duty(version=dice.choice("112")), *_duties(dice)],
        immediate=dice.random() < 0.35,
        echo=dice.random() < 0.5,
        linger=dice.choice((0.01, 0.1, 1.0)),
        concurrency=dice.choice((2, 100, 100)),
        weather=weather,
        runs=[run for _ in range(dice.choice((1, 2, 2, 3))) for run in _runs(dice, numbers)],
        faults=sorted((_fault(dice) for _ in range(dice.choice((1, 2, 2, 3, 4)))), key=lambda fault: fault.at),
        keep=keep,
        prunes=[] if keep is None else sorted(4 * dice.random() for _ in range(dice.choice((0, 1, 2)))),
    )


def _duties(dice: Random) -> Iterator[Duty]:
    for _ in range(dice.choice((0, 1, 1, 1, 2))):
        yield replace(dice.choice(_DUTIES), version=dice.choice("112"))


_DUTIES: Final = (Duty(), Duty(), Duty(), Duty(("default",)), Duty(("mail",)), Duty(tags=()))


@dataclass(frozen=True)
class Shape:
    """A flow, how many of its runs are started near to each other, and what their parameters are drawn from.

    `shared` are the same for all of them: they meet where there is room for few.
    """

    flow: str
    drawn: dict[str, Sequence[Any]]
    starts: Sequence[int] = (1,)
    shared: dict[str, Sequence[Any]] | None = None


def _runs(dice: Random, numbers: Iterator[int]) -> Iterator[Asked]:
    shape = dice.choice(SHAPES)
    shared = {name: dice.choice(values) for name, values in (shape.shared or {}).items()}
    for _ in range(dice.choice(shape.starts)):
        drawn = {name: dice.choice(values) for name, values in shape.drawn.items()}
        yield _run(dice, shape.flow, next(numbers), {"x": dice.randrange(100), **shared, **drawn})


def _run(dice: Random, flow: str, number: int, params: dict[str, Any]) -> Asked:
    at = dice.choice((0.0, 0.0, dice.random()))
    words = [(at + 2 * dice.random(), dice.randrange(100)) for _ in range(params.get("words", 0))]
    cancelled = flow in CANCELLED or (flow in CANCELLABLE and dice.random() < 0.2)
    return Asked(
        id=f"{flow}-{number}",
        flow=flow,
        params=params,
        at=at,
        priority=dice.choice((None, None, 1, 9)),
        queue=dice.choice((None, None, None, "mail")),
        requires=dice.choice(((), (), (), ("smtp",))),
        words=sorted(words),
        cancel=at + 2 * dice.random() if cancelled else None,
        version=dice.choice("12") if flow == "edition" else "1",
    )


CANCELLED: Final = frozenset({"patient", "guardian", "reign"})
"""Flows that end by being cancelled, and not otherwise."""

CANCELLABLE: Final = frozenset({"served", "queued", "agency", "desk", "calls", "fleet", "heavy", "rings", "edition"})
"""Flows of which some are cancelled, if they have not ended before."""

SHAPES: Final = (
    Shape("chain", {"links": (2, 4, 7)}),
    Shape("chain", {"links": (2, 4, 7)}),
    Shape("fan", {"width": (2, 3, 4)}),
    Shape("fan", {"width": (2, 3, 4)}),
    Shape("family", {"children": (1, 2)}),
    Shape("nap", {"seconds": (0.2, 0.8, 2.5)}),
    Shape("talk", {"words": (1, 2, 3)}),
    Shape("stubborn", {"failures": (1, 2)}),
    Shape("patient", {}),
    Shape("guardian", {}),
    Shape("race", {}),
    Shape("bounded", {}),
    Shape("overdue", {}),
    Shape("careful", {}),
    Shape("rings", {"number": (1, 3)}, (1, 2), {"line": (1,)}),
    Shape("strict", {"number": (1, 3), "line": (None, None, 1)}),
    Shape("edition", {"links": (2, 4), "seconds": (0.1, 0.5, 1.5)}, (1, 2)),
    Shape(
        "served",
        {"links": (1, 2, 3), "seconds": (0.0, 0.0, 0.3, 1.5), "ends_well": (True, True, True, False)},
        (2, 3, 4),
        {"customer": (1, 2)},
    ),
    Shape("agency", {"children": (1, 2)}, (1, 2), {"customer": (1, 2)}),
    Shape("queued", {"links": (1, 3)}, (2, 3)),
    Shape("stocked", {"seconds": (0.1, 0.5)}, (2, 3), {"shop": (1, 2)}),
    Shape("reign", {}, (2, 3), {"shop": (1, 2)}),
    Shape("calls", {"number": (1, 3), "failures": (0, 0, 1)}, (1, 2), {"line": (1, 1, None)}),
    Shape("dials", {"number": (2, 3)}, (1, 2), {"line": (1,)}),
    Shape("metered", {}, (2, 3)),
    Shape("fleet", {"children": (2, 3)}),
    Shape("desk", {"papers": (1, 3), "seconds": (0.0, 0.0, 0.7), "helped": (False, False, True)}, (2, 3, 4)),
    Shape("errands", {"number": (2, 3)}),
    Shape("impatient", {"depth": (0, 1, 3)}, (2, 3)),
    Shape("heavy", {"large": (True, False)}),
    Shape("courier", {"seconds": (0.0, 1.0)}),
)


def _fault(dice: Random) -> Fault:
    kind = dice.choice(KINDS)
    size = float(dice.randrange(1, 40)) if kind == "fuse" else dice.choice((0.3, 1.0, 3.5)) * (0.5 + dice.random())
    if kind == "clock" and dice.random() < 0.5:
        size = -size
    return Fault(2.5 * dice.random() ** 2, kind, dice.random(), size)
