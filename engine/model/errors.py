"""Every exception of Headrace, as one tree.

HeadraceError
├── UsageError             the program or the person asked for something that cannot be
│   ├── ParameterError       a flow was given parameters it does not take
│   ├── NotStorable          a value cannot cross the journal
│   ├── NotKeyable           an argument has no stable identity
│   ├── OutsideRun           a task was called where its run cannot record it
│   ├── RunConflict          the id is taken by a run of other parameters
│   └── UnknownRun, UnknownFlow
├── RunError               a run did not end with a result
│   ├── RunFailed, RunCancelled, RunDiverged
│   └── RunTimeout           the run's own deadline passed
├── TaskError
│   ├── TaskFailed           a task's exception whose class could not be rebuilt
│   ├── UnknownOutcome       an attempt may or may not have happened, and the task asked to be told
│   ├── PermanentError       raised by a task: do not try again
│   └── RetryLater           raised by a task: try again, after this long
├── StoreError             the store cannot be used
│   ├── StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly, StoreTooNew
│   └── Fenced               another node owns this run now
└── UnwindingSwallowed     a flow caught the cancellation that takes it out of memory
"""

from __future__ import annotations

from datetime import timedelta


class HeadraceError(Exception):
    """The root. Every subclass says what went wrong and what to do about it."""


class UsageError(HeadraceError):
    """The caller asked for something that cannot be."""


class ParameterError(UsageError):
    """A flow was given parameters that do not fit its signature."""


class NotStorable(UsageError):
    """A value does not come back from the journal as it went in."""


class NotKeyable(UsageError):
    """An argument of a task has no canonical encoding, so the call has no stable identity."""


class OutsideRun(UsageError):
    """A task was called from a thread, a loop or a moment in which its run cannot record it."""


class RunConflict(UsageError):
    """The run id is in use, by a run of another flow or with other parameters."""


class UnknownRun(UsageError):
    """No run has this id in this store."""


class UnknownFlow(UsageError):
    """No flow of this name is known here."""


class RunError(HeadraceError):
    """A run did not end with a result. `run_id` and `flow` say which."""

    def __init__(self, message: str, *, run_id: str = "", flow: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id
        self.flow = flow


class RunFailed(RunError):
    """The flow raised. `error_type`, `error_message` and `traceback` describe its exception."""

    def __init__(
        self,
        message: str,
        *,
        run_id: str = "",
        flow: str = "",
        error_type: str = "",
        error_message: str = "",
        traceback: str = "",
    ) -> None:
        super().__init__(message, run_id=run_id, flow=flow)
        self.error_type = error_type
        self.error_message = error_message
        self.traceback = traceback


class RunCancelled(RunError):
    """The run was cancelled."""


class RunDiverged(RunError):
    """Replay asked for something the journal does not have. `diff` shows both sides."""

    def __init__(self, message: str, *, run_id: str = "", flow: str = "", diff: str = "") -> None:
        super().__init__(message, run_id=run_id, flow=flow)
        self.diff = diff


class RunTimeout(RunError, TimeoutError):
    """The flow's own deadline passed before it ended."""


class TaskError(HeadraceError):
    """Something about one task of a run."""


class TaskFailed(TaskError):
    """A task raised an exception whose class cannot be rebuilt from its record.

    `error_type` is its dotted name, `error_message` its text, `traceback` the recorded stack.
    """

    def __init__(self, error_type: str, error_message: str, traceback: str = "") -> None:
        super().__init__(error_type, error_message, traceback)
        self.error_type = error_type
        self.error_message = error_message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.error_type}: {self.error_message}"


class UnknownOutcome(TaskError):
    """An earlier attempt had started when its process died, and the task must not be repeated blindly."""


class PermanentError(TaskError):
    """Raise it in a task to say that trying again cannot help."""


class RetryLater(TaskError):
    """Raise it in a task to be tried again after `after`, whatever the back-off says.

    It still uses up an attempt: the task's `Retry` says how many there are.
    """

    def __init__(self, message: str = "try again later", *, after: timedelta) -> None:
        super().__init__(message)
        self.after = after


class StoreError(HeadraceError):
    """The store cannot do what was asked. The driver's error is the `__cause__`."""


class BlobError(StoreError):
    """A large value could not be written or read: its place is away, or is not the one it was written to."""


class StoreBusy(StoreError):
    """Another process holds the store for longer than we are willing to wait."""


class StoreCorrupt(StoreError):
    """The file is not a Headrace store, or is damaged."""


class StoreFull(StoreError):
    """The disk is full. Nothing acknowledged is lost."""


class StoreReadOnly(StoreError):
    """The store, or its directory, cannot be written."""


class StoreTooNew(StoreError):
    """The store was written by a newer Headrace."""


class Fenced(StoreError):
    """Another node owns the run now; nothing was written."""


class UnwindingSwallowed(HeadraceError):
    """A flow caught the cancellation by which it leaves memory and went on."""
