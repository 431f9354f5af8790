"""Settings of a node, with the reason for each default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """How a node behaves. Everything it may hold is bounded here.

    concurrency    runs in memory at once; what waits for long leaves memory and does not count
    queues         the queues whose runs it takes; None takes those of all
    tags           what it offers: it takes runs that require nothing else
    threads        worker threads for tasks that are plain functions
    linger         how long a waiting run stays in memory, so that short waits cost no replay
    grace          how long a cancelled run may take before it is said to ignore its cancellation
    crash_limit    how often a run may lose its node without gaining a journal line before it fails
    poll           how often the store is asked whether another process has written, where it does not tell by itself;
                   one call costs microseconds
    rescue_every   how often the nodes of other processes are looked at: so long after its lease a dead one's runs go on
    keep           how long finished runs are kept; None keeps them
    blocked_after  how long the loop may stand still before the task that holds it is named in the log
    """

    concurrency: int = 1000
    queues: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    threads: int = 32
    linger: timedelta = timedelta(seconds=1)
    grace: timedelta = timedelta(seconds=30)
    crash_limit: int = 10
    poll: timedelta = timedelta(milliseconds=20)
    rescue_every: timedelta = timedelta(milliseconds=500)
    keep: timedelta | None = None
    blocked_after: timedelta = timedelta(seconds=1)
