"""Back-off: within its bounds for every policy, every attempt and every roll of the dice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import PermanentError, Retry, RetryLater
from engine.core.backoff import next_delay
from engine.model.errors import NotStorable, UsageError

spans = st.timedeltas(timedelta(0), timedelta(days=1))
policies = st.builds(
    Retry,
    attempts=st.integers(1, 10_000),
    delay=spans,
    cap=spans,
    factor=st.floats(1, 1e6),
    jitter=st.floats(0, 0.99),
)
rolls = st.floats(0, 1, exclude_max=True)


@given(policies, st.integers(1, 10_000), rolls)
def test_the_delay_is_within_the_jitter_around_a_capped_power(policy: Retry, attempt: int, roll: float) -> None:
    delay = next_delay(policy, attempt=attempt, error=ValueError(), roll=roll)
    if attempt >= policy.attempts:
        assert delay is None
        return
    assert delay is not None
    cap = policy.cap.total_seconds()
    try:
        middle = min(policy.delay.total_seconds() * policy.factor ** (attempt - 1), cap)
    except OverflowError:
        middle = cap if policy.delay else 0.0
    slack = 1e-6 + middle * 1e-6
    assert middle * (1 - policy.jitter) - slack <= delay.total_seconds() <= middle * (1 + policy.jitter) + slack


@given(policies, rolls, rolls)
def test_a_higher_roll_never_waits_less(policy: Retry, one: float, other: float) -> None:
    low, high = (next_delay(policy, attempt=1, error=ValueError(), roll=roll) for roll in sorted((one, other)))
    assert (low is None) == (high is None)
    assert low is None or high is None or low <= high


@given(policies, rolls, st.timedeltas(timedelta(days=-1), timedelta(days=9)))
def test_an_error_that_brings_its_own_delay(policy: Retry, roll: float, after: timedelta) -> None:
    delay = next_delay(policy, attempt=1, error=RetryLater(after=after), roll=roll)
    assert delay == (max(after, timedelta(0)) if policy.attempts > 1 else None)


@pytest.mark.parametrize("error", [PermanentError("no"), NotStorable("no"), UsageError("no")])
def test_what_is_never_tried_again(error: Exception) -> None:
    assert next_delay(Retry(attempts=9), attempt=1, error=error, roll=0.5) is None


def test_types_and_predicate_both_have_to_agree() -> None:
    policy = Retry(attempts=9, on=(OSError,), when=lambda error: "busy" in str(error))
    assert next_delay(policy, attempt=1, error=ConnectionError("busy"), roll=0.5) is not None
    assert next_delay(policy, attempt=1, error=ConnectionError("gone"), roll=0.5) is None
    assert next_delay(policy, attempt=1, error=ValueError("busy"), roll=0.5) is None
