"""Large results that a flow was given, recognised without encoding them again when they become arguments."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

LARGE: Final = 8_192
"""Bytes of JSON from which a result is worth remembering."""

RECENT: Final = 64
"""Results remembered. The oldest is forgotten first, on replay too."""


class Remembered:
    """By identity: the digest of the record of each of the last large results of one run.

    Only what the flow itself was given counts, in the order in which it was given: what a task's body sees is not
    seen again on replay.
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[int, tuple[object, str]] = {}

    def add(self, value: object, data: bytes) -> None:
        """The flow was given this value, whose record is `data`. Call when `data` is `LARGE`."""
        if type(value) in (str, bytes, int, float):
            return
        self._values[id(value)] = (value, blake2b(data, digest_size=10).hexdigest())
        if len(self._values) > RECENT:
            self._values.pop(next(iter(self._values)))

    @property
    def digests(self) -> Mapping[int, str] | None:
        """By `id`; None when there are none."""
        return {address: mark for address, (_, mark) in self._values.items()} if self._values else None
