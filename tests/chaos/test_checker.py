"""The checker sees each kind of broken promise, and does not accuse the innocent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b

import pytest

from engine import Pool, Rate
from tests.chaos.checker import SECOND, by_the_dead, check
from tests.chaos.evidence import Asked, Evidence, Skipped
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


LANE, NEXT = "served:1", 2
"""The lane of two runs, the first of which is that of the story, and the number of the second."""


def in_lane(
    lane: str = LANE,
    *,
    taken: float = 5.1,
    turn_from: float = 5.0,
    seen_until: float = 5.0,
    states: tuple[str, str] = ("succeeded", "succeeded"),
) -> Evidence:
    """The story's run has one behind it in its lane, which has its turn when the first one has ended."""
    flow, told = lane.partition(":")[0], story()
    first = RUN._replace(lane=lane, flow=flow)
    second = RUN._replace(num=NEXT, id=f"{flow}-2", lane=lane, flow=flow, trace="def", epoch=1)
    told.history.runs[1] = first._replace(state=states[0])
    told.history.unended[1] = at(seen_until)
    look = Sight(at(turn_from), at(turn_from), [second._replace(state="running")], [], frozenset())
    told.history.add(look)
    told.history.runs[NEXT] = second._replace(state=states[1])
    told.history.unfinished.discard(NEXT)
    turn = Line(at(taken), NEW, "took", {"run": second.id, "num": NEXT, "epoch": 1, "node": f"node-{NEW}"})
    asked = {run.id: Asked(run.id, flow, {"x": 1, "links": 3}) for run in (first, second)}
    return replace(
        told,
        ledger=[*LEDGER, turn],
        asked=asked,
        results=dict.fromkeys(asked, ("succeeded", ((1 * 3 + 0) * 3 + 1) * 3 + 2)),
        singletons={"reign": "replace", "stocked": "skip"},
    )


def disordered() -> Evidence:
    told = in_lane()
    return replace(told, asked={id: told.asked[id] for id in reversed([*told.asked])})


def looked(lane: str, *held: bool) -> Evidence:
    """One look saw several runs of a lane."""
    told = in_lane(lane)
    runs = [told.history.runs[1 + n]._replace(state="queued", held=one) for n, one in enumerate(held)]
    seen = dict(told.history.runs)
    told.history.add(Sight(at(3.0), at(3.1), runs, [], frozenset()))
    told.history.runs.update(seen)
    told.history.unfinished.clear()
    return told


def skipping(found: str = RUN.id, asked: float = 1.0, id: str = "stocked-9", shop: int = 1) -> Evidence:
    start = Skipped(id, "stocked", {"shop": shop}, found, at(asked))
    return replace(in_lane("stocked:1"), skipped=[start])


def calling(*times: float, burst: int = 1, pid: int = NEW) -> Evidence:
    """The starts of a rate: two a second."""
    lines = [begin(when, pid, f"r{n}", 9, epoch=3, rate="calls") for n, when in enumerate(times)]
    return replace(noted(*lines), rates={"calls": Rate("calls", 2, per=timedelta(seconds=1), burst=burst)})


def repeating() -> Evidence:
    """One place, and many starts: each by the next owner of the run."""
    lines = [begin(6 + n / 10, NEW, "r", 9, epoch=4 + n, rate="calls") for n in range(8)]
    return replace(calling(), ledger=[*LEDGER, *lines])


def at_desks(slots: int) -> Evidence:
    told = replace(story(), desks={"chain": Pool("desks", slots)})
    runs = [RUN._replace(num=1 + n, state="running") for n in range(3)]
    told.history.add(Sight(at(3.0), at(3.1), runs, [], frozenset()))
    return told


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
    "runs of a lane go one after the other: before": lambda: in_lane(taken=4.9),
    "runs of a lane go one after the other: 0.500 s before": lambda: in_lane(taken=4.0, seen_until=0.0),
    "a lane is in the order of start: before": disordered,
    "a look sees one turn of a lane: had their turn": lambda: looked(LANE, False, False),
    "a look sees one turn of a lane: may be one": lambda: looked("stocked:1", False, True),
    "a start is skipped for an unfinished run: had ended": lambda: skipping(asked=5.5),
    "a start is skipped for an unfinished run: of lane": lambda: skipping(shop=2),
    "a start is skipped for an unfinished run: does not know": lambda: skipping("nobody"),
    "a start is skipped for an unfinished run: there is such a run": lambda: skipping(id="stocked-2"),
    "a run is replaced by the next one: last": lambda: in_lane("reign:1", states=("cancelled", "cancelled")),
    "a run is replaced by the next one: is failed": lambda: in_lane("reign:1", states=("failed", "cancelled")),
    "acknowledged runs end, and rightly: is succeeded": lambda: in_lane("reign:1"),
    "a pool's runs fit into memory: slots": lambda: at_desks(2),
    "a rate is kept: starts": repeating,
    "a rate is kept: attempts": lambda: calling(*(6 + n * 0.4 for n in range(40))),
    "traces are whole: missing": lambda: replace(story(), broken_traces=["missing"]),
}


INNOCENT: dict[str, Callable[[], Evidence]] = {
    "a turn after the one before": in_lane,
    "a turn while the one before was last seen unfinished long ago": lambda: in_lane(taken=4.6, seen_until=4.4),
    "one has its turn and one waits": lambda: looked(LANE, False, True),
    "a start that is skipped": skipping,
    "one that ended before the answer, not before the question": lambda: skipping(asked=4.9),
    "as many in memory as there are slots": lambda: at_desks(3),
    "as often as the rate allows": lambda: calling(*(6 + n * 0.5 for n in range(40))),
    "late starts come together": lambda: calling(*(6 + max(n * 0.5, 1.4 + n * 0.01) for n in range(9)), burst=1),
    "a burst after a pause": lambda: calling(6.0, 6.0, 7.0, 8.0, 20.0, 20.0, burst=2),
    "what had its turn before its process stood still": lambda: calling(*[6.0 + n / 10 for n in range(9)], pid=OLD),
}


@pytest.mark.parametrize("what", INNOCENT)
def test_the_innocent_are_not_accused(what: str) -> None:
    laws = {
        *("runs of a lane go one after the other", "a lane is in the order of start"),
        *("a look sees one turn of a lane", "a start is skipped for an unfinished run"),
        *("a pool's runs fit into memory", "a rate is kept"),
    }
    assert [finding for finding in check(INNOCENT[what]()) if finding.law in laws] == []


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_promise_is_seen(what: str) -> None:
    law, _, word = what.partition(": ")
    found = [finding.what for finding in check(BROKEN[what]()) if finding.law == law]
    assert any(word in one for one in found), found
