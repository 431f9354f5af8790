"""Back-off: after a failed attempt, whether and when there is another."""

from __future__ import annotations

from datetime import timedelta

from engine.model.errors import HeadraceError, NotStorable, PermanentError, RetryLater, UsageError
from engine.model.retry import Retry


def next_delay(policy: Retry, *, attempt: int, error: Exception, roll: float) -> timedelta | None:
    """How long to wait before attempt `attempt + 1`; None means give up.

    `roll` is a random number in [0, 1), thrown by the caller. A predicate of the policy that raises lets its
    exception through.
    """
    if attempt >= policy.attempts or not worth_another(policy, error):
        return None
    if isinstance(error, RetryLater):
        return max(error.after, timedelta(0))
    seconds = _exponential(policy, attempt)
    return timedelta(seconds=seconds * (1 + policy.jitter * (2 * roll - 1)))


def worth_another(policy: Retry, error: Exception) -> bool:
    """Whether this kind of error is worth another attempt at all."""
    match error:
        case PermanentError() | NotStorable():
            return False
        case RetryLater():
            return True
        case UsageError():
            return False
        case HeadraceError() | Exception():
            return isinstance(error, policy.on) and (policy.when is None or policy.when(error))


def _exponential(policy: Retry, attempt: int) -> float:
    """Grows only until the cap: `factor ** attempt` overflows a float long before attempts run out."""
    cap = policy.cap.total_seconds()
    seconds = policy.delay.total_seconds()
    for _ in range(min(attempt - 1, 1100)):
        if seconds >= cap:
            break
        seconds *= policy.factor
    return min(seconds, cap)
