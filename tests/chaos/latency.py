"""How soon somebody else goes on with the runs of a node that was killed or that stops, read from the ledger."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.chaos.history import History
from tests.chaos.ledger import Line

SECOND: Final = 10**9
SETTLED: Final = int(0.4 * SECOND)
"""A look that began this long after a node's death shows what it still owned; none of that moves earlier."""

Times = Sequence[tuple[int, int]]
"""From when to when, in monotonic nanoseconds."""


@dataclass
class Latencies:
    """Seconds. `troubled` are those that promise nothing: see `Circumstances`."""

    calm: list[float] = field(default_factory=list[float])
    troubled: list[float] = field(default_factory=list[float])

    def over(self, limit: float) -> int:
        """How many of the calm ones took longer."""
        return sum(took > limit for took in self.calm)

    def summary(self) -> dict[str, float]:
        """What goes to the log."""
        if not self.calm:
            return {"count": 0, "troubled": len(self.troubled)}
        ordered = sorted(self.calm)
        return {
            "count": len(ordered),
            "p50": round(median(ordered), 3),
            "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
            "max": round(ordered[-1], 3),
            "troubled": len(self.troubled),
        }


@dataclass(frozen=True)
class Circumstances:
    """When a hand-over is calm: no server was away, no machine starved, and another node was awake all the time.

    A server that comes back gives everybody a lease's time. `starved` are the times in which this machine did not
    even run the driver, and `awake` those in which each node was a member, and neither frozen nor about to end.
    """

    outages: Times
    starved: Times
    awake: Mapping[str, Times]
    lease: float

    def calm(self, node: str, began: int, ended: int) -> bool:
        """Whether all was well from when the node ended until somebody took over."""
        margin = int((2 * self.lease + 1) * SECOND)
        return (
            not any(start - margin < ended and began < end + margin for start, end in self.outages)
            and not any(start < ended and began < end for start, end in self.starved)
            and any(
                start <= began and ended <= end
                for other, times in self.awake.items()
                if other != node
                for start, end in times
            )
        )


def latencies(
    ends: Iterable[tuple[str, int]],
    ledger: Sequence[Line],
    history: History,
    circumstances: Circumstances,
    *,
    killed: bool,
) -> Latencies:
    """For each node that ended at a time: what became of the runs it owned then."""
    found = Latencies()
    claims: defaultdict[int, list[Line]] = defaultdict(list)
    for line in sorted(line for line in ledger if line.what == "took"):
        claims[line.num].append(line)
    settled = SETTLED if killed and circumstances.lease * SECOND > 2 * SETTLED else 0
    for node, at in ends:
        for num, took in claims.items():
            place = bisect_right(took, at, key=lambda line: line.at)
            if not 0 < place < len(took) or took[place - 1].node != node:
                continue
            mine, later = took[place - 1], took[place]
            states = history.states.get(num, [])
            last = bisect_right(states, at + settled, key=lambda state: state[0]) - 1
            if last < 0 or states[last][1:] != ("running", mine.epoch):
                continue
            if "waiting" in {state for seen, state, _ in states[last + 1 :] if seen <= later.at}:
                continue  # it had something to wait for, and went on when it was time
            once = later.epoch - mine.epoch <= (2 if killed else 1)  # else somebody in between took it and died
            calm = once and circumstances.calm(node, at, later.at)
            (found.calm if calm else found.troubled).append((later.at - at) / SECOND)
    return found
