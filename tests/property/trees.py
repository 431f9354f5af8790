"""Strategies: trees of programs, and what can be told of one by looking at it."""

# Programs are trees of plain lists, so what is taken out of them has no type that a checker could know.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

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
)

LEAVES = st.one_of(
    STEPS,
    STEPS,
    STEPS,
    _node("sleep", SECONDS),
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
        _node("catch", CATCHES, inside),
        _node("cancel", inside, WORK),
        _node("spawn", inside, inside),
        _node("child", inside),
        _node("gate", inside, some),
        _node("limit", some, st.integers(1, 2)),
        _node("timeout", SECONDS, inside),
        _node("dice", inside, inside),
    )


SMALL = st.recursive(LEAVES, _forks, max_leaves=6)

_FIRST = st.one_of(WORK, WORK, st.tuples(WORK, LEAVES).map(lambda pair: ["seq", [*pair]]))
_MANY = st.lists(_FIRST, min_size=8, max_size=10)

WIDE = st.one_of(
    _node("gather", _MANY, st.booleans()),
    _node("group", _MANY),
    _node("anyio", _MANY),
    _node("race", _MANY, st.sampled_from(["cancel", "drain", "leave"])),
    _node("completed", _MANY),
    st.tuples(_MANY, SMALL).map(lambda drawn: ["gather", [*drawn[0], drawn[1]], True]),
    st.tuples(SMALL, _MANY).map(
        lambda drawn: ["seq", [["catch", ["value", "key", "rejected"], drawn[0]], ["group", drawn[1]]]]
    ),
)
"""Eight or more steps side by side."""

RACING = frozenset({"race", "completed", "cancel", "timeout", "spawn", "pipe", "anyio", "sequences"})
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
    failing = found["fail"] + found["flaky"] + found["stubborn"] + found["map"]
    waiting = found["signal"]
    return bool(RACING & found.keys()) or failing > 0 or waiting > 1
