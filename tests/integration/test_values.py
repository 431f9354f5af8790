"""Values cross the journal unchanged or not at all: what a flow sees live is what it sees on replay."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from engine import RunFailed, Task, flow, task, testing
from tests.integration.conftest import MakeEngine


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    label: str = ""
    tags: set[str] = field(default_factory=set[str])


class Order(BaseModel):
    id: UUID
    total: Decimal
    at: datetime
    lines: list[Point] = []


ORDER = Order(id=UUID(int=7), total=Decimal("19.90"), at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), lines=[Point(0.1)])


@task
async def number() -> float:
    return math.nan


@task
async def infinite() -> list[float]:
    return [math.inf, -math.inf, -0.0, 1e-320]


@task
async def raw() -> bytes:
    return bytes(range(256))


@task
async def moment() -> datetime:
    return datetime(2026, 3, 29, 2, 30, 0, 123456, UTC)


@task
async def money() -> Decimal:
    return Decimal("1.10")


@task
async def point() -> Point:
    return Point(1.5, "ü\u2028", {"a", "b"})


@task
async def order() -> Order:
    return ORDER.model_copy(deep=True)


@task
async def colour() -> Colour:
    return Colour.BLUE


@task
async def nested() -> dict[date, tuple[Colour, list[Point | None]]]:
    return {date(2026, 1, 1): (Colour.RED, [Point(1), None])}


@task
async def span() -> timedelta | None:
    return timedelta(days=-1, microseconds=1)


@task
async def where() -> Path:
    return Path("/tmp/x")


@task
async def large() -> list[str]:
    return ["x" * 100_000, "y"]


KEEP: list[Task[[], Any]] = [
    number, infinite, raw, moment, money, point, order, colour, nested, span, where, large,
]  # fmt: skip

seen: list[Any] = []


@pytest.mark.parametrize("kept", KEEP, ids=lambda kept: kept.name)
async def test_the_flow_sees_the_same_live_and_on_replay(kept: Task[[], Any]) -> None:
    @flow
    async def sees() -> None:
        seen.append(await kept())
        seen.append(await kept())

    seen.clear()
    await testing.assert_replays(sees.bind())
    assert len(seen) >= 6, "there were replays"
    assert len({repr(value) for value in seen if not isinstance(value, Point)}) <= 1
    original = await kept.fn()
    assert {type(value) for value in seen} == {type(original)}
    assert all(value == original for value in seen) or kept is number
    changeable = (list, dict, Point, Order)
    addresses = list(map(id, [value for value in seen if type(value) in changeable]))
    assert len(set(addresses)) == len(addresses), "each is a fresh copy"


async def wrong_type() -> Any:
    return {1: "a"}


async def tuple_as_any() -> Any:
    return [(1, 2)]


async def says_int() -> int:
    return "not a number"  # type: ignore[return-value]


async def loses_a_fraction() -> int:
    return 1.5  # type: ignore[return-value]


async def an_object() -> object:
    return object()


async def subclass() -> Point:
    @dataclass
    class Special(Point):
        more: int = 3

    return Special(1.0)


@pytest.mark.parametrize(
    "function", [wrong_type, tuple_as_any, says_int, loses_a_fraction, an_object, subclass], ids=lambda f: f.__name__
)
async def test_what_would_come_back_changed_is_refused_with_task_and_type(
    make_engine: MakeEngine, function: Callable[[], Any]
) -> None:
    refused: Task[[], Any] = task(function)

    @flow
    async def asks() -> None:
        await refused()

    async with make_engine(asks) as engine:
        with pytest.raises(RunFailed, match=f"task {function.__name__}.* returned ") as failed:
            await engine.run(asks.bind())
        assert failed.value.error_type.endswith("NotStorable")


@flow
async def changes_what_it_got() -> list[str]:
    first = await large()
    first.append("mine")
    return [str(len(first)), str(len(await large()))]


async def test_nobody_shares_a_value_with_the_journal() -> None:
    assert await testing.assert_replays(changes_what_it_got.bind()) == ["3", "2"]
