"""The checker sees each kind of broken promise, and does not accuse the innocent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

import pytest

from tests.chaos.checker import SECOND, Asked, Evidence, by_the_dead, check
from tests.chaos.history import History
from tests.chaos.ledger import Line
from tests.chaos.sight import LineRow, RunRow, Sight

OLD, NEW = 11, 22
"""The processes of two nodes: the first one is frozen, declared dead, and wakes up."""

RUN = RunRow(1, "chain-1", "chain", "abc", 7, "succeeded", 3, None, None, 1)


def at(seconds: float) -> int:
    return int(seconds * SECOND)


def key(step: str) -> str:
    return blake2b(f"{RUN.id}|{RUN.trace}|{step}".encode(), digest_size=16).hexdigest()


def begin(seconds: float, pid: int, step: str, n: int, *, epoch: int, attempt: int = 1, **more: object) -> Line:
    who = {"run": RUN.id, "key": key(step), "attempt": attempt, "epoch": epoch, "task": "link"}
    return Line(at(seconds), pid, "begin", {**who, "n": n, **more})


def joined(pid: int) -> Line:
    return Line(0, pid, "joined", {"node": f"node-{pid}", "slot": 0})


def took(seconds: float, pid: int, epoch: int) -> Line:
    return Line(at(seconds), pid, "took", {"run": RUN.id, "num": 1, "epoch": epoch, "node": f"node-{pid}"})


def record(seq: int, step: str, epoch: int) -> LineRow:
    return LineRow(1, seq, epoch, "task", step, "link", 1, "ok", 5, 7)


def sight(seconds: float, state: str, *lines: LineRow, nodes: tuple[int, ...] = (OLD, NEW)) -> Sight:
    running = RUN._replace(state=state)
    return Sight(at(seconds), at(seconds + 0.01), [running], lines, frozenset(f"node-{pid}" for pid in nodes))


FIRST, SECOND_LINE, THIRD = record(0, "a", 1), record(1, "b", 3), record(2, "c", 3)

LEDGER = [
    joined(OLD),
    joined(NEW),
    took(1.0, OLD, 1),
    begin(1.1, OLD, "a", 0, epoch=1),
    begin(1.4, OLD, "b", 1, epoch=1),
    took(4.0, NEW, 3),
    begin(4.1, NEW, "b", 1, epoch=3),
    begin(4.5, NEW, "c", 2, epoch=3),
]


def history(*sights: Sight) -> History:
    told = History()
    for one in sights:
        told.add(one)
    return told


def story() -> Evidence:
    """A run changes hands between its second step's beginning and its record."""
    return Evidence(
        ledger=LEDGER,
        history=history(
            sight(1.2, "running", FIRST),
            sight(3.9, "running", nodes=(NEW,)),
            sight(4.4, "running", SECOND_LINE, nodes=(NEW,)),
            sight(5.0, "succeeded", THIRD, nodes=(NEW,)),
            sight(9.0, "succeeded", nodes=(NEW,)),
        ),
        asked={RUN.id: Asked(RUN.id, "chain", {"x": 1, "links": 3})},
        results={RUN.id: ("succeeded", ((1 * 3 + 0) * 3 + 1) * 3 + 2)},
        slots_held=[],
        pools={"lanes": 1},
        frozen={OLD: [(at(1.5), at(5.5))]},
        died={},
    )


def test_a_run_that_changes_hands_breaks_no_promise() -> None:
    assert check(story()) == []


def test_a_frozen_node_may_do_for_a_moment_what_it_had_in_hand() -> None:
    woken = begin(5.6, OLD, "b", 1, epoch=1, attempt=2)
    evidence = replace(story(), ledger=[*LEDGER, woken])
    assert check(evidence) == []
    assert by_the_dead(evidence) == 1


def retold(*sights: Sight) -> Evidence:
    return replace(story(), history=history(*sights))


def noted(*lines: Line) -> Evidence:
    return replace(story(), ledger=[*LEDGER, *lines])


def pooled() -> Evidence:
    crowd = [begin(6 + n / 10, NEW, f"p{n}", 9, epoch=3, pool="lanes") for n in range(2)]
    return replace(noted(*crowd), died={NEW: at(8)})


BROKEN: dict[str, Callable[[], Evidence]] = {
    "acknowledged runs end, and rightly: answered": lambda: replace(story(), results={RUN.id: ("succeeded", 1)}),
    "acknowledged runs end, and rightly: is still": lambda: retold(sight(1.2, "running", FIRST, SECOND_LINE, THIRD)),
    "acknowledged runs end, and rightly: does not know": lambda: replace(
        story(), asked={"chain-2": Asked("chain-2", "chain", {"x": 1, "links": 1})}
    ),
    "acknowledged runs end, and rightly: to be cancelled": lambda: replace(
        story(), asked={RUN.id: Asked(RUN.id, "patient", {"x": 1}, cancelled=True)}
    ),
    "a recorded step never runs again: began": lambda: noted(begin(6.0, NEW, "a", 9, epoch=3)),
    "a recorded step never runs again: dead for": lambda: noted(begin(9.5, OLD, "b", 1, epoch=1, attempt=2)),
    "an attempt runs once per owner: twice": lambda: noted(begin(4.2, NEW, "b", 1, epoch=3)),
    "a step starts when the one before is recorded: link": lambda: noted(begin(4.6, NEW, "d", 1, epoch=3)),
    "old epochs write nothing: after 3": lambda: retold(
        sight(4.4, "running", FIRST, record(1, "b", 3), record(2, "c", 1)), sight(9.0, "succeeded", nodes=(NEW,))
    ),
    "old epochs write nothing: newer owner": lambda: retold(
        sight(1.2, "running", FIRST), sight(4.2, "running"), sight(4.4, "succeeded", record(1, "b", 1))
    ),
    "old epochs write nothing: holes": lambda: retold(sight(4.4, "succeeded", FIRST, THIRD)),
    "old epochs write nothing: had ended": lambda: retold(
        sight(1.2, "succeeded", FIRST), sight(4.2, "succeeded"), sight(5.0, "succeeded", SECOND_LINE)
    ),
    "one owner at a time: several": lambda: noted(took(4.0, OLD, 3)),
    "a journal only grows: was": lambda: retold(
        sight(1.2, "running", FIRST), sight(4.4, "succeeded", record(0, "other", 1), SECOND_LINE, THIRD)
    ),
    "no slot is leaked: held": lambda: replace(story(), slots_held=[("lanes", 1, "b", "node-11")]),
    "a pool is never overdrawn: inside": pooled,
    "traces are whole: missing": lambda: replace(story(), broken_traces=["missing"]),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_promise_is_seen(what: str) -> None:
    law, _, word = what.partition(": ")
    found = [finding.what for finding in check(BROKEN[what]()) if finding.law == law]
    assert any(word in one for one in found), found
