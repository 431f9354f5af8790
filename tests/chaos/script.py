"""The script: which faults happen to whom, in which order and after which pauses. Drawn from the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

KILL: Final = "kill -9"
FREEZE: Final = "freeze"
STOP: Final = "stop"
CUT: Final = "cut"
CLOCK: Final = "clock jump"
START: Final = "start"
FAST: Final = "restart fast"
IMMEDIATE: Final = "restart immediate"

NODE_FAULTS: Final = {KILL: 30, FREEZE: 20, STOP: 20, CUT: 20, CLOCK: 20}
"""What happens to a node, and how often. Every node that ends is followed by a start."""

FILE_FAULTS: Final = {KILL: 60, FREEZE: 20, STOP: 20}
"""As above, on SQLite: there is no connection to cut, and the nodes of one machine share one clock."""

SERVER_FAULTS: Final = {FAST: 1, IMMEDIATE: 1}

KINDS: Final = (KILL, FREEZE, STOP, CUT, CLOCK, START, FAST, IMMEDIATE)

HOUR: Final = 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what, after a pause of so many seconds, for how long, and the dice for its details."""

    kind: str
    pause: float
    lasting: float
    detail: int


def for_node(seed: int, slot: int, weights: Mapping[str, int], pace: float) -> Iterator[Fault]:
    """What happens to the nodes of one slot, without end; `pace` is the mean pause in seconds."""
    dice = Random(f"{seed} node {slot}")
    while True:
        (kind,) = dice.choices([*weights], [*weights.values()])
        yield Fault(kind, dice.uniform(0.1, 1.9) * pace, dice.random(), dice.getrandbits(32))


def for_server(seed: int, weights: Mapping[str, int], every: float) -> Iterator[Fault]:
    """What happens to the server, without end; `every` is the mean pause in seconds."""
    dice = Random(f"{seed} server")
    while True:
        (kind,) = dice.choices([*weights], [*weights.values()])
        yield Fault(kind, dice.uniform(0.2, 1.8) * every, dice.random(), dice.getrandbits(32))


def for_client(seed: int) -> Iterator[Fault]:
    """When the connection of the one who starts runs is cut."""
    dice = Random(f"{seed} client")
    while True:
        yield Fault(CUT, dice.uniform(1.0, 5.0), dice.random(), dice.getrandbits(32))


def jump(fault: Fault) -> int:
    """How far a clock is set, in nanoseconds: between a minute and six hours, forward or back."""
    dice = Random(fault.detail)
    return int(dice.choice((-1, 1)) * HOUR * 6 * max(dice.random() ** 3, 0.003))
