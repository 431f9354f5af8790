"""Retry: how often, how soon, and for which errors a task is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a failed attempt is followed by another.

    `attempts` counts all of them, the first included. The delay before attempt n+1 is
    `delay * factor ** (n - 1)`, at most `cap`, multiplied by a random factor within `1 ± jitter`.
    `on` names the exception types worth another try; `when` is asked in addition and may refuse.
    `PermanentError` is never retried; `RetryLater` sets its own delay.

    Raises ValueError when a number makes no sense.
    """

    attempts: int = 3
    delay: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    cap: timedelta = timedelta(minutes=1)
    jitter: float = 0.2
    on: tuple[type[Exception], ...] = (Exception,)
    when: Callable[[Exception], bool] | None = None

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"Retry(attempts={self.attempts}): at least one attempt is needed")
        if self.delay < timedelta(0) or self.cap < timedelta(0):
            raise ValueError("Retry: delay and cap must not be negative")
        if self.factor < 1:
            raise ValueError(f"Retry(factor={self.factor}): back-off must not shrink; use 1 or more")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"Retry(jitter={self.jitter}): must be at least 0 and below 1")


ONCE = Retry(attempts=1)
"""No second attempt: what a task does when nothing else is said."""
