"""A failure record of the journal, as far as a span shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from observability import names
from observability.record import DESCRIPTION, Attributes, Event, clip, clip_front


@dataclass(frozen=True, slots=True)
class Failure:
    """What was raised. `next_start` is when the next attempt begins, in nanoseconds, 0 when there is none."""

    type: str
    message: str = ""
    stack: str = ""
    next_start: int = 0

    @classmethod
    def read(cls, value: bytes) -> Failure:
        """Of a failure record, which has `retry_at` when another attempt follows. Never raises."""
        record = _object(value)
        following = record.get("retry_at")
        return cls(
            clip(_class_name(str(record.get("type") or "unknown")), DESCRIPTION),
            clip(str(record.get("message") or "")),
            clip_front(str(record.get("traceback") or "")),
            following if isinstance(following, int) else 0,
        )

    def event(self, at: int) -> Event:
        pairs: Attributes = ((names.EXCEPTION_TYPE, self.type), (names.EXCEPTION_MESSAGE, self.message))
        if self.stack:
            pairs += ((names.EXCEPTION_STACKTRACE, self.stack),)
        return Event(at, names.EXCEPTION, pairs)


def _object(value: bytes) -> dict[str, object]:
    try:
        whole: object = json.loads(value)
    except ValueError:
        return {}
    return cast("dict[str, object]", whole) if isinstance(whole, dict) else {}


def _class_name(recorded: str) -> str:
    """`module:Class` as OpenTelemetry writes it: built-in classes without their module."""
    return recorded.replace(":", ".").removeprefix("builtins.")
