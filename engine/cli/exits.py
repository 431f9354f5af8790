"""Exit codes: what a script learns from how `headrace` ends."""

from __future__ import annotations

from enum import IntEnum

from engine.model.errors import HeadraceError, RunCancelled, RunDiverged, RunError, StoreError, UsageError
from engine.model.run import RunState


class Exit(IntEnum):
    """One code for each thing a script may want to do about it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    WAITING = 3
    CANCELLED = 4
    DIVERGED = 5
    STORE = 6
    BUG = 70
    INTERRUPTED = 130


MEANING: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.FAILED: "the run failed",
    Exit.USAGE: "bad input: the command line, a file, an id",
    Exit.WAITING: "the run waits, for a signal or for long, and was left",
    Exit.CANCELLED: "the run was cancelled",
    Exit.DIVERGED: "the run diverged, or would",
    Exit.STORE: "the store cannot be used",
    Exit.BUG: "a bug in Headrace",
    Exit.INTERRUPTED: "interrupted; the run can be resumed",
}

OF_STATE: dict[RunState, Exit] = {
    RunState.SUCCEEDED: Exit.OK,
    RunState.FAILED: Exit.FAILED,
    RunState.CANCELLED: Exit.CANCELLED,
    RunState.DIVERGED: Exit.DIVERGED,
    RunState.WAITING: Exit.WAITING,
    RunState.QUEUED: Exit.WAITING,
    RunState.RUNNING: Exit.WAITING,
}


def of_error(error: HeadraceError) -> Exit:
    """The code for an error that ends a command."""
    match error:
        case UsageError():
            return Exit.USAGE
        case StoreError():
            return Exit.STORE
        case RunCancelled():
            return Exit.CANCELLED
        case RunDiverged():
            return Exit.DIVERGED
        case RunError() | HeadraceError():
            return Exit.FAILED
