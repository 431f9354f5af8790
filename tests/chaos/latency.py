"""How soon somebody else goes on with the runs of a node that was killed or that stops, read from the ledger."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.chaos.history import History
from tests.chaos.ledger import Line

SECOND: Final = 10**9
SETTLED: Final = int(0.4 * SECOND)
"""A look that began this long after a node's death shows what it still owned; none of that moves earlier."""


@dataclass
class Latencies:
    """Seconds. `calm` were measured while the server was there all the time, `troubled` over its restarts."""

    calm: list[float] = field(default_factory=list[float])
    troubled: list[float] = field(default_factory=list[float])

    def add(self, took: float, *, calm: bool) -> None:
        (self.calm if calm else self.troubled).append(took)

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


def latencies(
    ends: Iterable[tuple[str, int]],
    ledger: Sequence[Line],
    history: History,
    outages: Sequence[tuple[int, int]],
    *,
    killed: bool,
    lease: float,
) -> Latencies:
    """For each node that ended at a time: what became of the runs it owned then."""
    found = Latencies()
    claims: defaultdict[int, list[Line]] = defaultdict(list)
    for line in sorted(line for line in ledger if line.what == "took"):
        claims[line.num].append(line)
    for node, at in ends:
        for num, took in claims.items():
            mine = [line for line in took if line.at <= at]
            later = [line for line in took if line.at > at]
            if not mine or not later or mine[-1].node != node:
                continue
            states = history.states.get(num, [])
            settled = SETTLED if killed and lease * SECOND > 2 * SETTLED else 0
            place = bisect_right(states, at + settled, key=lambda state: state[0]) - 1
            if place < 0 or states[place][1:] != ("running", mine[-1].epoch):
                continue
            between = {state for seen, state, _ in states[place + 1 :] if seen <= later[0].at}
            if "waiting" in between:  # it had something to wait for, and went on when it was time
                continue
            margin = int((2 * lease + 1) * SECOND)
            calm = not any(began - margin < later[0].at and at < ended + margin for began, ended in outages)
            found.add((later[0].at - at) / SECOND, calm=calm)
    return found
