"""Limits: who may start what, and when. Pools, rates, the order of waiting runs, and what a node takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from engine.model.errors import UsageError

PRIORITIES: Final = range(10)
"""0 waits gladly, 9 is urgent."""

NORMAL: Final = 5

AGEING: Final = 60 * 10**9
"""Nanoseconds of waiting that are worth one step of priority: minutes are what people wait before they ask."""

QUEUE: Final = "default"

Occupied: TypeAlias = Literal["queue", "skip", "replace"]
"""What a new run does when its lane is taken: wait its turn, not be made at all, or cancel those before it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A named number of slots, counted over all processes on one store.

    A task's slot is held by a node while an attempt runs, and ends with the node. A flow's slot is the run itself,
    while it is in memory: a run that waits for long holds none.
    """

    name: str
    slots: int

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("Pool: the name must not be empty")
        if self.slots < 1:
            raise ValueError(f"Pool({self.name!r}, {self.slots}): at least one slot is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """Which runs a node takes, besides that it must have their flow.

    queues     names, or None for every queue
    tags       what the node offers: a run is taken when it requires nothing else; None for whatever it requires
    pools      of the node's flows, by the flow's name
    elsewhere  (flow, version) pairs that are left to other nodes, which have that very version
    """

    queues: Collection[str] | None = None
    tags: Collection[str] | None = ()
    pools: Mapping[str, Pool] = field(default_factory=lambda: MappingProxyType({}))
    elsewhere: Collection[tuple[str, str]] = ()


ANY: Final = Takes()


def rank(*, since: int, priority: int) -> int:
    """Where a run stands among those that wait: the lowest goes first.

    `since` is when it could first start. Every minute of waiting is worth a step of priority, so a run is overtaken
    only by those that came less than nine minutes after it: nothing starves. As all runs age alike, their order
    never changes while they wait, and an index holds it.
    """
    return since - priority * AGEING


def checked_priority(priority: int) -> int:
    """The priority. Raises UsageError."""
    if priority not in PRIORITIES:
        raise UsageError(f"priority={priority}: give 0 (waits gladly) to 9 (urgent); {NORMAL} is normal")
    return priority


def checked_name(name: str, what: str) -> str:
    """The name of a queue or tag. Raises UsageError for one that a command line could not give."""
    if not name or len(name) > 100 or not name.isprintable() or name != name.strip() or "," in name:
        raise UsageError(f"{name[:80]!r} cannot be the name of a {what}: use 1 to 100 printable characters, no comma")
    return name
