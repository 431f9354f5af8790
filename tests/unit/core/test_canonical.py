"""Canonical text: equal values have equal texts, different values different ones, in every order and process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import unkeyed
from engine.core.arguments import Arguments
from engine.core.canonical import canonical, digest
from engine.model.errors import NotKeyable

plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
)
hashable = st.text() | st.integers() | st.dates()
values: st.SearchStrategy[Any] = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=4) | st.frozensets(hashable, max_size=4)
    ),
    max_leaves=12,
)


def kind_of(value: Any) -> Any:
    """The value with its types, so that 1, 1.0, True and "1" are told apart as the journal would."""
    items: Any = value
    match value:
        case dict():
            return ("dict", frozenset((kind_of(key), kind_of(item)) for key, item in items.items()))
        case list():
            return ("list", tuple(map(kind_of, items)))
        case frozenset():
            return ("set", frozenset(map(kind_of, items)))
        case _:
            return (type(value).__name__, repr(value))


@given(values, values)
def test_texts_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == (kind_of(one) == kind_of(other))


@given(st.dictionaries(hashable, values, min_size=2, max_size=6), st.randoms())
def test_the_order_of_a_dictionary_does_not_count(value: dict[Any, Any], dice: Any) -> None:
    pairs = list(value.items())
    dice.shuffle(pairs)
    assert canonical(dict(pairs)) == canonical(value)


class Colour(Enum):
    RED = 1


@dataclass
class Point:
    x: int
    y: int = 0


DISTINCT: list[Any] = [
    0, 0.0, False, None, "", "0", "null", b"", "b''", [], {}, set(), [0], {"0": 0}, {0: 0}, Colour.RED, "Colour.RED", 1,
    Point(1), {"x": 1, "y": 0}, date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1),  # noqa: DTZ001
    timedelta(0), Decimal(0), Decimal("0.0"), UUID(int=0), [[]], [None], ["a,b"], ["a", "b"], {"a": {"b": 1}},
    {"a": 1, "b": 2}, {"a:1,b": 2}, range(3), [0, 1, 2], complex(0, 0), b"x" * 40, b"x" * 41, b"y" * 40,
]  # fmt: skip


def test_what_looks_alike_is_told_apart() -> None:
    texts = [canonical(value) for value in DISTINCT]
    assert len(set(texts)) == len(texts)


def test_another_process_writes_the_same() -> None:
    code = "from engine.core.canonical import canonical; print(canonical({'b': {3, 1, 'z', 'a'}, 'a': [1.5, None]}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert texts == {canonical({"a": [1.5, None], "b": {"a", "z", 1, 3}}) + "\n"}


@pytest.mark.parametrize(
    "value", [object(), lambda: None, open, iter([])], ids=["object", "lambda", "open", "iterator"]
)
def test_what_has_no_identity_is_refused_with_the_way_out(value: object) -> None:
    arguments = Arguments(takes_anything, "task takes_anything")
    if value is open:
        assert arguments.text((value,), {}) == f"thing=name:{open.__module__}:open"
        return
    with pytest.raises(NotKeyable, match=r"task takes_anything: the argument `thing` .*key="):
        arguments.text((value,), {})


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotKeyable, match="contains itself"):
        canonical(loop)


def takes_anything(thing: object) -> None: ...


def shared_client(day: date, client: Annotated[object, unkeyed], limit: int = 5) -> None: ...


def test_an_unkeyed_argument_and_defaults_take_no_part() -> None:
    arguments = Arguments(shared_client, "task shared_client")
    day = date(2026, 1, 1)
    assert (
        arguments.text((day, object()), {})
        == arguments.text((), {"client": object(), "day": day})
        == "day=date:2026-01-01"
    )
    assert arguments.text((day, object()), {"limit": 5}) == "day=date:2026-01-01,limit=5"


@given(st.text(), st.text())
def test_digests_differ(one: str, other: str) -> None:
    assert (digest(canonical(one)) == digest(canonical(other))) == (one == other)
