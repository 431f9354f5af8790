"""Journal entries: what a run has already done, one line each."""

from __future__ import annotations

from typing import Final, NamedTuple

TASK: Final = "task"  # a task ended: result, error or cancellation
ATTEMPT: Final = "attempt"  # an attempt failed and another will follow; `value` holds error and next start
STARTED: Final = "started"  # an attempt began; only of interest while nothing newer has the same key
SLEEP: Final = "sleep"  # a durable sleep is over
SIGNAL: Final = "signal"  # a signal was received, or waiting for it timed out
CHILD: Final = "child"  # a child run ended
NOW: Final = "now"  # the clock was read
DEADLINE: Final = "deadline"  # a durable timeout fired
WAIT: Final = "wait"  # a sleep, a signal, a child run or a timeout is being waited for; `value` holds until when
CANCEL: Final = "cancel"  # the run was asked to stop; reaches the flow as a cancellation of its root
MOVED: Final = "moved"  # an entry recorded earlier reached the flow only here

OK: Final = "ok"
ERROR: Final = "error"
CANCELLED: Final = "cancelled"
PENDING: Final = "pending"

START_KEY: Final = "!start#0"
"""The key of a WAIT that is for the rate of the flow itself, before the run begins."""

BEGINNINGS: Final = frozenset({STARTED, WAIT})
"""The kinds that are no progress: the same attempt would begin, or wait for its rate once more, before every crash."""

DELIVERED: Final = frozenset({TASK, SLEEP, SIGNAL, CHILD, DEADLINE, CANCEL})
"""The kinds that reach the flow in delivery groups. The others are notes to the engine or read at once."""


class Entry(NamedTuple):
    """One line of a journal. A tuple, because it is bound to SQL and to a span as it stands.

    `run` is the store's number of the run, `seq` grows by one within it, `group` counts the groups in which
    results reached the flow. For a SIGNAL, `attempt` is the id of the signal received. Times are nanoseconds since
    the epoch. `value` is JSON: the result, a failure record or what the kind says. `blob` names
    the object that holds a value too large for the journal.
    """

    run: int
    seq: int
    group: int
    kind: str
    key: str
    name: str
    args: str
    attempt: int
    started: int
    ended: int
    span: int
    parent: int
    outcome: str
    value: bytes
    blob: str | None
    epoch: int
