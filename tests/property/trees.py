"""Strategies: trees of programs, and what can be told of one by looking at it."""

# Programs are trees of plain lists, so what is taken out of them has no type that a checker could know.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.property.lives import Plan

Node = list[Any]

LABELS = st.sampled_from("abc")
"""Few, so that identical calls are frequent."""

SECONDS = st.sampled_from([0, 1, 2, 10, 50])

FAILURES = st.sampled_from(["value", "key", "rejected", "unkempt"])

CATCHES = st.lists(
    st.sampled_from(["value", "key", "rejected", "unkempt", "group", "late"]), min_size=1, max_size=3, unique=True
)


def _node(kind: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return st.tuples(*parts).map(lambda drawn: [kind, *drawn])


def _step(name: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return st.tuples(*parts).map(lambda drawn: ["step", name, *drawn])


def _labels(low: int, high: int) -> st.SearchStrategy[list[str]]:
    return st.lists(LABELS, min_size=low, max_size=high)


WORK = st.one_of(_step("work", LABELS), _node("bare", LABELS))

STEPS = st.one_of(
    WORK,
    WORK,
    _step("slow", LABELS),
    _step("named", LABELS),
    _step("pure", LABELS),
    _step("fail", LABELS, FAILURES),
    _step("flaky", LABELS, st.integers(0, 3)),
    _step("stubborn", LABELS, st.integers(0, 3)),
    _step("outer", LABELS, st.integers(0, 1)),
    _step("hasty", LABELS),
    _step("pooled", LABELS),
    _step("in_thread", LABELS),
)

_FAILING = st.tuples(FAILURES, LABELS).map(lambda drawn: ["step", "fail", drawn[1], drawn[0]])

CAUGHT = st.one_of(
    _FAILING.map(lambda failing: ["catch", [failing[3]], failing]),
    st.tuples(_FAILING, st.lists(WORK, max_size=2)).map(
        lambda drawn: ["catch", ["group"], ["group", [drawn[0], *drawn[1]]]]
    ),
    st.sampled_from([3, 60]).map(lambda seconds: ["catch", ["late"], ["signal", "never", seconds]]),
)
"""Exceptions that are caught by the type that they have."""

LEAVES = st.one_of(
    STEPS,
    STEPS,
    STEPS,
    CAUGHT,
    _node("sleep", SECONDS),
    _node("until", SECONDS),
    _node("signal", st.sampled_from(["go", "stop"]), st.sampled_from([None, 3, 60])),
    _node("uuid"),
    _node("now"),
    _node("large", LABELS),
    _node("map", _labels(1, 6), st.integers(1, 4), st.sampled_from(["collect", "raise"])),
    _node("stream", _labels(1, 5), st.integers(1, 3)),
    _node("sequences", _labels(2, 4), st.integers(1, 3)),
    _node("pipe", st.lists(_labels(1, 3), min_size=1, max_size=2), st.integers(1, 3), st.integers(1, 2)),
)


def _forks(inside: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(inside, min_size=2, max_size=4)
    return st.one_of(
        _node("seq", some),
        _node("gather", some, st.booleans()),
        _node("twice", inside),
        _node("group", some),
        _node("anyio", some),
        _node("race", some, st.sampled_from(["cancel", "drain", "leave"])),
        _node("completed", some),
        _node("wait", some, st.sampled_from(["FIRST_EXCEPTION", "ALL_COMPLETED"])),
        _node("catch", CATCHES, inside),
        _node("cancel", inside, WORK),
        _node("shield", inside, WORK),
        _node("spawn", inside, inside),
        _node("child", inside),
        _node("gate", inside, some),
        _node("limit", some, st.integers(1, 2)),
        _node("timeout", SECONDS, inside),
        _node("dice", inside, inside),
    )


_ANY = st.recursive(LEAVES, _forks, max_leaves=5)

RACES = _node("race", st.lists(WORK, min_size=3, max_size=8), st.sampled_from(["cancel", "drain", "leave"]))
"""Races that several may win at once."""

COMPLETIONS = _node(
    "completed", st.lists(st.tuples(WORK, WORK).map(lambda pair: ["seq", [*pair]]), min_size=3, max_size=6)
)
"""Sequences that begin in another order in each life, since `as_completed` keeps what it is given in a set."""

CANCELS = st.tuples(st.sampled_from(["slow", "hasty"]), LABELS, WORK, st.lists(WORK, min_size=2, max_size=5)).map(
    lambda drawn: ["gather", [["cancel", ["step", drawn[0], drawn[1]], drawn[2]], ["seq", drawn[3]]], True]
)
"""One branch calls off what takes its time to end; another one goes on meanwhile."""

SMALL = st.one_of(_forks(_ANY), _forks(_ANY), _forks(_ANY), _forks(_ANY), RACES, CANCELS, COMPLETIONS)

_FIRST = st.one_of(WORK, WORK, WORK, WORK, st.tuples(WORK, LEAVES).map(lambda pair: ["seq", [*pair]]))
_MANY = st.lists(_FIRST, min_size=9, max_size=11)

WIDE = st.one_of(
    _node("gather", _MANY, st.booleans()),
    _node("group", _MANY),
    _node("anyio", _MANY),
    _node("race", _MANY, st.sampled_from(["cancel", "drain", "leave"])),
    _node("completed", _MANY),
    _node("wait", _MANY, st.sampled_from(["FIRST_EXCEPTION", "ALL_COMPLETED"])),
    st.tuples(_MANY, SMALL).map(lambda drawn: ["gather", [*drawn[0], drawn[1]], True]),
    st.tuples(SMALL, _MANY).map(
        lambda drawn: ["seq", [["catch", ["value", "key", "rejected", "unkempt"], drawn[0]], ["group", drawn[1]]]]
    ),
)
"""Eight or more steps side by side."""


def plans(trees: st.SearchStrategy[Node]) -> st.SearchStrategy[Plan]:
    """Programs with what is done to them from outside; one in six is cancelled."""
    some = st.one_of(st.none(), st.none(), st.none(), st.none(), st.none(), st.integers(2, 9))
    return st.builds(Plan, tree=trees, lenient=st.booleans(), linger=st.sampled_from([True, True, False]), cancel=some)


RACING = frozenset({"race", "completed", "cancel", "timeout", "spawn", "pipe", "anyio", "sequences", "wait", "shield"})
"""Kinds whose value depends on who is quicker."""


def nodes(tree: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield tree
    for part in tree[1:]:
        if isinstance(part, list):
            parts = part if part and isinstance(part[0], list) else [part]
            for inner in parts:
                if isinstance(inner, list) and inner and isinstance(inner[0], str) and _is_node(inner):
                    yield from nodes(inner)


def _is_node(part: list[Any]) -> bool:
    from tests.property.program import ACTS

    return part[0] in ACTS


def kinds(tree: Node) -> Counter[str]:
    """How often each construct occurs; steps count by their task."""
    return Counter(node[1] if node[0] == "step" else node[0] for node in nodes(tree))


def races(tree: Node) -> bool:
    """True when the result may depend on the order in which tasks happen to end.

    A failure makes a race of every group it may break up; a second signal of one name is taken by whoever asks first.
    """
    found = kinds(tree)
    failing = found["fail"] + found["flaky"] + found["stubborn"] + found["hasty"] + found["map"]
    waiting = found["signal"]
    return bool(RACING & found.keys()) or failing > 0 or waiting > 1


CALLS_OFF = frozenset({"race", "cancel", "timeout", "group", "anyio", "map", "stream", "pipe", "spawn", "shield"})
"""Kinds that may cancel what runs in them; the end of a flow cancels what a `gather` or a `spawn` left behind."""


def calls_off(tree: Node) -> bool:
    """True when something in the program may be cancelled before it has ended."""
    return bool(CALLS_OFF & kinds(tree).keys())
