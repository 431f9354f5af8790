"""What the owner of a run writes besides its journal, all in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from engine.model.entry import Entry
from engine.model.run import LogLine, RunState


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over, or stands still in DIVERGED until somebody acts (then `at` is when it stopped)."""

    num: int
    state: RunState
    result: bytes | None
    result_blob: str | None
    error: bytes | None
    at: int


@dataclass(frozen=True, slots=True)
class Parked:
    """The run leaves memory. It is queued instead of waiting when what it waits for has come meanwhile:

    a signal newer than `seen_signal`, the end of one of the runs numbered in `children`, a cancel request.
    `wake_at` None means that no time will wake it.
    """

    num: int
    wake_at: int | None
    seen_signal: int
    children: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """The owner stops in good order: the run is queued for any node, at once."""

    num: int


@dataclass(frozen=True, slots=True)
class Exported:
    """The spans of all journal lines up to `seq` have reached the trace backend."""

    num: int
    seq: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """The run goes on under another code version, after a replay that found no difference."""

    num: int
    version: str
    fingerprint: str
    python: str


Change: TypeAlias = Ended | Parked | Released | Exported | Adopted


@dataclass(slots=True)
class Batch:
    """Everything one group commit writes. `epochs` has the fence of every run it touches."""

    entries: list[Entry] = field(default_factory=list[Entry])
    changes: list[Change] = field(default_factory=list[Change])
    logs: list[LogLine] = field(default_factory=list[LogLine])
    epochs: dict[int, int] = field(default_factory=dict[int, int])

    def __bool__(self) -> bool:
        return bool(self.entries or self.changes or self.logs)
