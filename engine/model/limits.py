"""Limits: who may start what, and when. Pools, rates, the order of waiting runs, and what a node takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from engine.model.errors import UsageError

PRIORITIES: Final = range(10)
"""0 waits gladly, 9 is urgent."""

NORMAL: Final = 5

AGEING: Final = 60 * 10**9
"""Nanoseconds of waiting that are worth one step of priority: minutes are what people wait before they ask."""

QUEUE: Final = "default"

Occupied: TypeAlias = Literal["queue", "skip", "replace"]
"""What a new run does when its lane is taken: wait its turn, not be made at all, or cancel those before it."""


Key: TypeAlias = (
    Callable[[], object] | Callable[[Any], object] | Callable[[Any, Any], object] | Callable[[Any, Any, Any], object]
)
"""A function of some arguments of a flow or task, called with them by name."""


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


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` starts in any stretch of time as long as `per`, counted over all nodes on one store.

    key    a function of some arguments, by name: each answer has a rate of its own, None has none
    burst  how many may start at once after a pause; a tenth of `limit` unless said otherwise. The others are spread
           evenly, a little slower for each that may come at once, so that no stretch ever has more than `limit`

    Whatever has the same name has the same rate.
    """

    name: str
    limit: int
    _: KW_ONLY
    per: timedelta
    key: Key | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("Rate: the name must not be empty")
        if self.limit < 1 or self.per <= timedelta(0):
            raise ValueError(f"Rate({self.name!r}, {self.limit}, per={self.per}): at least one start in some time")
        if not 1 <= self.at_once <= self.limit:
            raise ValueError(f"Rate({self.name!r}, burst={self.burst}): 1 to {self.limit} starts at once")

    @property
    def at_once(self) -> int:
        """How many may start at once after a pause."""
        return max(1, self.limit // 10) if self.burst is None else self.burst

    @property
    def interval(self) -> int:
        """Nanoseconds between two starts that are not at once.

        Of k starts, k - burst are at least this far apart each; within `per` that leaves room for `limit`.
        """
        return -(-(self.per // timedelta(microseconds=1) * 1000) // (self.limit - self.at_once + 1))


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
