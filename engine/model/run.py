"""Runs: what is asked for, what the store holds, and the right to write for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from engine.model.limits import NORMAL, QUEUE, Occupied, Pool


class RunState(StrEnum):
    """Where a run is in its life. The legal moves are in `core/run_life.py`."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DIVERGED = "diverged"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class NewRun(NamedTuple):
    """A run to be created; give its fields by name. Times are nanoseconds since the epoch; `params` is a JSON object.

    `trace` is 32 hex digits, `span` the root span's id; `due` is when it may start. `rank` orders those that wait,
    see `limits.rank`; `requires` is sorted. Of one `lane` one run goes at a time; `occupied` says what to do meanwhile.
    A child is made by who owns its parent: `parent_epoch` is the fence.
    """

    id: str
    flow: str
    params: bytes
    created: int
    trace: str
    span: int
    version: str = "1"
    fingerprint: str = ""
    python: str = ""
    due: int = 0
    timeout: int | None = None
    sampled: bool = True
    parent: int | None = None
    parent_epoch: int | None = None
    parent_key: str | None = None
    parent_span: int = 0
    rerun_of: str | None = None
    origin: str = ""
    tags: tuple[str, ...] = ()
    scheduled_for: int | None = None
    priority: int = NORMAL
    rank: int = 0
    queue: str = QUEUE
    requires: tuple[str, ...] = ()
    lane: str | None = None
    occupied: Occupied = "queue"


class RunRecord(NamedTuple):
    """A run as the store holds it; made with its fields by name.

    `num` is the store's own number. `epoch` grows with each claim. `wake_at` is when a waiting run is due.
    `result` is JSON, `error` a failure record. `exported` is the last journal line known to be exported.
    `held` means that another run of its lane has to end first.
    """

    num: int
    id: str
    flow: str
    version: str
    fingerprint: str
    python: str
    params: bytes
    state: RunState
    epoch: int
    owner: str | None
    created: int
    started: int | None
    ended: int | None
    wake_at: int | None
    timeout: int | None
    crashes: int
    cancel: str | None
    result: bytes | None
    result_blob: str | None
    error: bytes | None
    trace: str
    span: int
    sampled: bool
    parent: int | None
    parent_key: str | None
    parent_span: int
    rerun_of: str | None
    origin: str
    tags: tuple[str, ...] = ()
    scheduled_for: int | None = None
    exported: int = -1
    priority: int = NORMAL
    rank: int = 0
    queue: str = QUEUE
    requires: tuple[str, ...] = ()
    lane: str | None = None
    held: bool = False


ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Signal:
    """A named message to one run. `id` orders them; `payload` is JSON."""

    id: int
    run: int
    name: str
    payload: bytes
    sent: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log. `trace` and `span` are the ids it belongs to; `at` is in nanoseconds."""

    run: int
    at: int
    level: str
    logger: str
    message: str
    task: str
    attempt: int
    span: int


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A process that runs flows. `alive` is judged by whoever reads it, by the store's rules.

    `queues` None means all of them, and none that it takes only runs it was told of by name; `versions` are those of
    `flows`, in the same order; `pools` are those that flows have, by the flow's name; `lease` is in seconds, None where
    an operating system lock tells who lives; `silent` is how long ago, in seconds, the lease was renewed, by the
    store's clock; `blobs` is the place of large results, empty when it was not told.
    """

    id: str
    pid: int
    host: str
    started: int
    flows: tuple[str, ...]
    alive: bool
    versions: tuple[str, ...] = ()
    queues: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    concurrency: int = 0
    lease: float | None = field(default=None, compare=False)
    blobs: str = ""
    pools: tuple[tuple[str, Pool], ...] = ()
    silent: float | None = field(default=None, compare=False)

    @property
    def unheard(self) -> bool:
        """Whether it should have renewed its lease by now, and has not: it may have died, or be frozen or cut off."""
        return self.alive and None not in (self.lease, self.silent) and (self.silent or 0) > (self.lease or 0) / 2

    @property
    def lasts(self) -> float:
        """Seconds until its lease ends if it is not renewed."""
        return max(0.0, (self.lease or 0) - (self.silent or 0))

    def may_miss(self, other: NodeRecord) -> bool:
        """Whether large results of the other node may be out of reach: another place, or a folder of another host."""
        if not (self.blobs and other.blobs):
            return False
        return self.blobs != other.blobs or (self.blobs.startswith("file:") and self.host != other.host)
