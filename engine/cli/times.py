"""Times and durations, as people write and read them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.model.errors import UsageError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d|w)")


def duration(text: str) -> timedelta:
    """`90s`, `10m`, `1h30m`, `2d`, `1w`. Raises UsageError."""
    squeezed = text.strip().lower()
    parts = _PART.findall(squeezed)
    if not parts or _PART.sub("", squeezed).strip():
        raise UsageError(f"{text!r} is not a duration; write for example 90s, 10m, 1h30m, 2d or 1w")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise UsageError(f"{text!r} is longer than any run can wait") from None


def moment(text: str) -> datetime:
    """An ISO time; without a time zone it is meant in the local one. Raises UsageError."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{text!r} is not a time; write for example 2026-03-01T08:00, or 2026-03-01T08:00+01:00 with its zone"
        ) from None


def after(span: timedelta) -> datetime:
    """That long from now. Raises UsageError when no calendar goes so far."""
    try:
        return datetime.now(UTC) + span
    except OverflowError:
        raise UsageError(f"{span} from now is beyond any calendar") from None


def iso(at: int | None) -> str | None:
    """Nanoseconds since the epoch as ISO in UTC, for scripts."""
    if not at:
        return None
    try:
        return datetime.fromtimestamp(at // 1000 / 1e6, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def local(at: int) -> str:
    """A time for people: the clock alone when it is today."""
    try:
        when = datetime.fromtimestamp(at / 1e9).astimezone()
    except (ValueError, OverflowError, OSError):
        return "the end of time"
    return when.strftime("%H:%M:%S" if when.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M:%S")


def ago(at: int, now: int | None = None) -> str:
    """`3 min ago`, `in 2 h`."""
    distance = (now or time.time_ns()) - at
    return f"{rough(distance)} ago" if distance >= 0 else f"in {rough(-distance)}"


def rough(nanoseconds: int) -> str:
    """A duration in its largest unit: 40 s, 3 min, 2 h, 5 days."""
    seconds = nanoseconds / 1e9
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 86_400)} days"


def brief(nanoseconds: int) -> str:
    """A length as exactly as it is worth: 340 ms, 2.5 s, 3 min 05 s."""
    from observability.tree import length

    return length(nanoseconds)
