"""Evidence: what a store was given and did, as it is kept for the checker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.model.change import Batch
from engine.model.entry import Entry
from engine.model.run import RunRecord, Signal


class Line(NamedTuple):
    """A journal line that landed: when, from whom, and what the store knew of its run at that moment."""

    at: float
    process: str
    entry: Entry
    epoch: int
    owner: str | None


class Move(NamedTuple):
    """A run that was ended, parked or released, by whom, and what was known of it just before."""

    at: float
    process: str
    what: str
    num: int
    claimed: int
    before: RunRecord
    open_children: tuple[str, ...]


class Claim(NamedTuple):
    """A run that was taken."""

    at: float
    process: str
    num: int
    epoch: int


class Refusal(NamedTuple):
    """A batch whose writer was told, at that time, that it had failed."""

    at: float
    batch: Batch


class Forgotten(NamedTuple):
    """A run that was pruned: when, by whom, all that ended before when, and what went with it.

    `parent` is the run that awaits it, as far as that one is still there; `data` is its result in the blob store.
    """

    at: float
    process: str
    run: RunRecord
    before: int
    parent: RunRecord | None
    signals: Sequence[Signal]
    data: bytes | None
