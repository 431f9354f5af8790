"""What the generated programs covered: each construct, how many programs came to it, and how many have to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from engine.core.scopes import is_inner
from engine.model import entry as kinds
from engine.model.entry import Entry
from tests.property.lives import Life

LEAST = 0.01
"""The share of all programs that have to come to each construct, where the table does not ask for more."""

WIDE = 8
"""Steps of one run executing at the same time, from which on a program counts as wide; half of all have to be."""


@dataclass(frozen=True)
class Construct:
    """A row of the table. `found` tells from the uninterrupted life of a program whether it came to the construct."""

    name: str
    found: Callable[[Life], bool]
    least: float = LEAST


def met(*names: str) -> Callable[[Life], bool]:
    """The code of the program came to one of these."""
    return lambda life: any(life.world.met[name] for name in names)


def line(kind: str, *outcomes: str) -> Callable[[Life], bool]:
    """The journals have a line of this kind with one of these outcomes."""
    return lambda life: any(each.kind == kind and each.outcome in outcomes for each in life.end.lines())


def of_task(*names: str, kind: str = kinds.TASK) -> Callable[[Life], bool]:
    """The journals have a line of this kind by one of these tasks."""
    return lambda life: any(each.kind == kind and each.name in names for each in life.end.lines())


def identical(life: Life) -> bool:
    """Two calls of one task with the same arguments, by the flow itself."""
    calls = Counter(_call(each) for each in life.end.lines() if each.kind == kinds.TASK and not is_inner(each.key))
    return any(count > 1 for count in calls.values())


def _call(each: Entry) -> tuple[int, str]:
    return each.run, each.key.rpartition("/")[2].partition("#")[0]


CONSTRUCTS = (
    Construct("gather", met("gather"), 0.1),
    Construct("gather, exceptions collected", met("gather, collecting"), 0.05),
    Construct("TaskGroup", met("group"), 0.1),
    Construct("anyio task group", met("anyio"), 0.05),
    Construct("wait, FIRST_COMPLETED, done.pop()", met("race"), 0.05),
    Construct("  several done at once", met("several won")),
    Construct("wait, FIRST_EXCEPTION", met("wait FIRST_EXCEPTION")),
    Construct("wait, ALL_COMPLETED", met("wait ALL_COMPLETED")),
    Construct("as_completed", met("completed"), 0.05),
    Construct("create_task and cancel", met("cancel"), 0.05),
    Construct("  cancelled while it ran", met("cancelled")),
    Construct("create_task, never awaited", met("spawn")),
    Construct("shield", met("shield")),
    Construct("  of what was still running", met("shield held")),
    Construct("Queue", met("pipe")),
    Construct("Event", met("gate")),
    Construct("Semaphore", met("limit")),
    Construct("concurrent sequences of the same tasks", met("sequences"), 0.02),
    Construct("nested sequences", met("seq"), 0.1),
    Construct("one branch twice", met("twice")),
    Construct("identical calls", identical, 0.3),
    Construct("tasks in tasks", lambda life: any(is_inner(each.key) for each in life.end.lines()), 0.02),
    Construct("sync task", met("in_thread"), 0.02),
    Construct("pure task", met("pure"), 0.02),
    Construct("key=", met("named"), 0.02),
    Construct("pool", met("pooled"), 0.02),
    Construct("large result as argument", met("large"), 0.02),
    Construct("exception caught by its type", met("caught ValueError", "caught KeyError", "caught Rejected"), 0.02),
    Construct("  TaskFailed", met("caught TaskFailed"), 0.002),
    Construct("  ExceptionGroup", met("caught ExceptionGroup"), 0.002),
    Construct("retry after a failed attempt", line(kinds.ATTEMPT, kinds.ERROR), 0.02),
    Construct("  RetryLater", of_task("stubborn", kind=kinds.ATTEMPT)),
    Construct("  PermanentError", met("stubborn")),
    Construct("task timeout=", met("hasty"), 0.02),
    Construct("  too late", of_task("hasty", kind=kinds.ATTEMPT)),
    Construct("timeout()", met("timeout"), 0.02),
    Construct("  too late", met("too late"), 0.005),
    Construct("child flow", line(kinds.CHILD, kinds.OK, kinds.ERROR, kinds.CANCELLED), 0.02),
    Construct("  that fails", line(kinds.CHILD, kinds.ERROR), 0.002),
    Construct("map as a list", met("map raise"), 0.02),
    Construct("map, failures collected", met("map collect"), 0.02),
    Construct("map, streamed", met("stream"), 0.02),
    Construct("signal", line(kinds.SIGNAL, kinds.OK)),
    Construct("  timed out", line(kinds.SIGNAL, kinds.ERROR), 0.002),
    Construct("sleep", line(kinds.SLEEP, kinds.OK), 0.05),
    Construct("sleep_until", met("until"), 0.02),
    Construct("now", line(kinds.NOW, kinds.OK), 0.02),
    Construct("random", met("dice")),
    Construct("uuid", met("uuid"), 0.02),
    Construct("run cancelled from outside", lambda life: life.outcome[0] == "RunCancelled"),
    Construct("run that fails", lambda life: life.outcome[0] == "RunFailed"),
    Construct("left memory and came back", lambda life: any(len(stays) > 1 for stays in life.world.stays.values())),
    Construct(f"{WIDE} or more steps at once", lambda life: life.world.most >= WIDE, 0.5),
)


@dataclass
class Tally:
    """What the programs of a session covered."""

    programs: int = 0
    crashes: int = 0
    lives: Counter[str] = field(default_factory=Counter[str])
    moved: int = 0
    unraced: int = 0
    orphans: int = 0
    covered: Counter[Construct] = field(default_factory=Counter[Construct])

    def count(self, life: Life) -> None:
        """Take in the uninterrupted life of one more program."""
        self.programs += 1
        self.covered.update(each for each in CONSTRUCTS if each.found(life))

    def missing(self) -> list[str]:
        """Constructs that too few of the programs came to."""
        return [
            f"{each.name.strip()}: {self.covered[each]} of {self.programs} programs, at least {need} are asked for"
            for each in CONSTRUCTS
            if self.covered[each] < (need := int(each.least * self.programs))
        ]

    def table(self) -> Iterable[str]:
        """For a person: programs by construct."""
        lives = ", ".join(f"{count:,} on {loop}" for loop, count in sorted(self.lives.items()))
        yield f"{self.programs:,} programs, killed {self.crashes:,} times, {sum(self.lives.values()):,} lives ({lives})"
        yield f"{self.moved:,} journals went on under the other event loop"
        yield f"{self.unraced:,} lives held to one result (L4), {self.orphans:,} to having orphaned nothing (L9)"
        yield f"{'construct':<42} {'programs':>8} {'share':>7} {'asked':>7}"
        for each in CONSTRUCTS:
            count = self.covered[each]
            yield f"{each.name:<42} {count:>8,} {count / self.programs:>7.1%} {each.least:>7.1%}"
