"""The evidence: what the driver asked and was told, what the ledger says, and what was seen in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.model.limits import Occupied, Pool, Rate
from tests.chaos.history import History
from tests.chaos.ledger import Line


class Finding(NamedTuple):
    """A broken promise."""

    law: str
    what: str


@dataclass
class Asked:
    """A run that was acknowledged, and what else was asked of it and acknowledged."""

    id: str
    flow: str
    params: dict[str, Any]
    said: list[int] = field(default_factory=list[int])
    cancelled: bool = False
    unsure: bool = False


class Skipped(NamedTuple):
    """A start that was answered with another run, `found`. It was asked at `asked`, monotonic nanoseconds."""

    id: str
    flow: str
    params: dict[str, Any]
    found: str
    asked: int


@dataclass
class Evidence:
    """All there is to judge. `frozen` are the times at which a process stood still; `died` when one ended.

    `asked` is in the order in which the runs were started. `desks` and `singletons` are by flow: the pool that its
    runs need, and what becomes of a start meanwhile.
    """

    ledger: Sequence[Line]
    history: History
    asked: Mapping[str, Asked]
    results: Mapping[str, tuple[str, Any]]
    slots_held: Sequence[tuple[Any, ...]]
    pools: Mapping[str, int]
    frozen: Mapping[int, Sequence[tuple[int, int]]]
    died: Mapping[int, int]
    broken_traces: Sequence[str] = ()
    differing_spans: Sequence[str] = ()
    skipped: Sequence[Skipped] = ()
    rates: Mapping[str, Rate] = field(default_factory=dict[str, Rate])
    desks: Mapping[str, Pool] = field(default_factory=dict[str, Pool])
    singletons: Mapping[str, Occupied] = field(default_factory=dict[str, Occupied])
