"""The law of rates: whatever asks whenever, no stretch of time has more starts than the limit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Rate
from engine.stores.memory import MemoryStore

pauses = st.lists(st.integers(0, 3_000_000) | st.just(0), min_size=1, max_size=80)


def starts(rate: Rate, gaps: list[int]) -> list[int]:
    """When each start may be, for starts asked for with these pauses between them."""

    async def given_by_the_store() -> list[int]:
        store, now, found = MemoryStore(), 0, list[int]()
        for gap in gaps:
            now += gap
            found.append(now + await store.reserve("r", interval=rate.interval, burst=rate.at_once, now=now))
        return found

    return asyncio.run(given_by_the_store())


@given(st.integers(1, 12), st.integers(1, 12), pauses)
def test_no_stretch_has_more_starts_than_the_limit(limit: int, burst: int, gaps: list[int]) -> None:
    rate = Rate("r", limit, per=timedelta(milliseconds=1), burst=min(limit, burst))
    found = starts(rate, gaps)
    for first in found:
        assert sum(first <= at < first + 1_000_000 for at in found) <= limit


@given(st.integers(1, 12), st.integers(1, 12))
def test_the_line_moves_on_as_fast_as_promised(limit: int, burst: int) -> None:
    rate = Rate("r", limit, per=timedelta(milliseconds=1), burst=min(limit, burst))
    found = starts(rate, [0] * 50)
    assert found[: rate.at_once] == [0] * rate.at_once
    assert found == sorted(found)
    assert found[-1] == (50 - rate.at_once) * rate.interval


def test_a_tenth_may_start_at_once() -> None:
    assert [Rate("r", limit, per=timedelta(seconds=1)).at_once for limit in (1, 5, 10, 100)] == [1, 1, 1, 10]
    assert Rate("r", 100, per=timedelta(minutes=1)).interval == -(-60 * 10**9 // 91)


@pytest.mark.parametrize(
    ("name", "limit", "seconds", "burst"), [("", 1, 1, None), ("r", 0, 1, None), ("r", 1, 0, None), ("r", 5, 1, 6)]
)
def test_what_makes_no_sense_is_refused(name: str, limit: int, seconds: int, burst: int | None) -> None:
    with pytest.raises(ValueError, match="Rate"):
        Rate(name, limit, per=timedelta(seconds=seconds), burst=burst)
