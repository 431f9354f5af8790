"""A span as a plain value, and how its texts are kept short.

Every text is bounded when a record is made, so that whatever encodes it need not ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from engine.model.trace import PART_MASK

Value: TypeAlias = "str | bool | int | float"
Attributes: TypeAlias = "tuple[tuple[str, Value], ...]"

TEXT: Final = 2_000  # bytes; Tempo cuts attributes at 2,048 and keeps the head
STACK: Final = 1_800  # bytes, the last ones: in Python the end of a stack says what went wrong
DESCRIPTION: Final = 500

_MIX: Final = 0x9E37_79B9_7F4A_7C15
_MASK: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Attributes that many spans have in common. Equal only to itself, so that its encoding can be remembered."""

    pairs: Attributes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened within a span."""

    at: int
    name: str
    attributes: Attributes = ()


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that belongs to this one's story."""

    trace: bytes
    span: int
    attributes: Attributes = ()


class SpanRecord(NamedTuple):
    """One finished span. `parent` 0 is none; times are nanoseconds; `error` None leaves the status unset."""

    trace: bytes
    span: int
    parent: int
    name: str
    started: int
    ended: int
    shared: tuple[Shared, ...]
    own: Attributes = ()
    error: str | None = None
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()

    def attributes(self) -> dict[str, Value]:
        return {key: value for pairs in (*(block.pairs for block in self.shared), self.own) for key, value in pairs}


def derived(span: int, what: str) -> int:
    """The id of a span that nobody stored an id for: the same one each time it is made."""
    return int.from_bytes(blake2b(b"%d:%s" % (span, what.encode()), digest_size=8).digest(), "big") >> 1 or 1


def clip(text: str, limit: int = TEXT) -> str:
    """The head of a text, at most `limit` bytes of UTF-8."""
    if len(text) * 4 <= limit or len(data := text.encode("utf-8", "replace")) <= limit:
        return text
    return data[:limit].decode("utf-8", "ignore")


def clip_front(text: str, limit: int = STACK) -> str:
    """The tail of a text, at most `limit` bytes of UTF-8."""
    if len(text) * 4 <= limit or len(data := text.encode("utf-8", "replace")) <= limit:
        return text
    return data[-limit:].decode("utf-8", "ignore")


def attempt_span(task: int, number: int) -> int:
    """The id of an attempt's span. Attempts after the first run under it, so the engine computes the same (a test)."""
    low = task & ~PART_MASK
    return (((low ^ (number * _MIX)) ^ (low >> 7)) & _MASK & ~PART_MASK or 1) | task & PART_MASK
