"""Triggers: plain values that say what starts a flow. No driver is imported to declare one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Trigger:
    """Anything that starts runs of a flow."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Schedule(Trigger):
    """Ticks of a cron expression, read in a time zone."""

    expression: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Interval(Trigger):
    """Ticks at even distances."""

    period: timedelta


def on_schedule(expression: str, *, timezone: str = "UTC") -> Schedule:
    """At the times of a cron expression (five fields, or six with seconds first).

    Raises ValueError when the expression has no meaning or the time zone is unknown.
    """
    from cronsim import CronSim, CronSimError

    try:
        CronSim(expression, datetime(2026, 1, 1, tzinfo=ZoneInfo(timezone)))
    except CronSimError as error:
        raise ValueError(f"on_schedule({expression!r}): not a cron expression: {error}") from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(
            f"on_schedule(timezone={timezone!r}): no such time zone; use a name like 'Europe/Berlin'"
        ) from error
    return Schedule(expression, timezone)


def every(period: timedelta) -> Interval:
    """At even distances. Raises ValueError when the period is below one second."""
    if period < timedelta(seconds=1):
        raise ValueError(f"every({period}): at least one second")
    return Interval(period)
