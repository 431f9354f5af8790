"""Telemetry: where the engine reports to. Reporting never raises, never waits, never grows without bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from engine.model.entry import Entry
from engine.model.run import LogLine, RunRecord

WHOLE: Final = 2**31 - 1
"""What `exported` gives as `seq` once a run's root span, the last one, has reached the backend."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What stands on every span of a run. `trace` is 16 bytes; `span` is the root span's id.

    `parent` is the span under which the run's root hangs (0: the run is the root of its trace).
    """

    num: int
    run_id: str
    flow: str
    version: str
    trace: bytes
    span: int
    parent: int
    sampled: bool
    trigger: str = "api"
    root_id: str = ""


class Recorder(Protocol):
    """The part of telemetry that hears of journal lines."""

    def recorded(self, run: RunIdentity, entries: Sequence[Entry]) -> None:
        """These lines are on disk. See `Telemetry.recorded`."""


class Telemetry(Protocol):
    """Called on the loop's thread. Every method returns at once."""

    def started(self, run: RunIdentity, record: RunRecord) -> None:
        """A node took up the run, for the first time or again."""

    def recorded(self, run: RunIdentity, entries: Sequence[Entry]) -> None:
        """These lines are on disk. Called in order of `seq`; may repeat lines after a crash.

        The sequence is read later, on another thread: it must not be changed after the call.
        """

    def ended(
        self, run: RunIdentity, record: RunRecord, *, started: int, ended: int, outcome: str, error: bytes | None
    ) -> None:
        """The run reached a final state (`outcome`: succeeded, failed, cancelled), which is on disk."""

    def logged(self, run: RunIdentity, line: LogLine) -> None:
        """A line of the run's log."""

    def attach(self, run: RunIdentity, span: int) -> object:
        """Make a span the current one of this context, so that spans of the user's own have a parent.

        There is no way back: call it in a context that ends with the task.
        """
        ...

    def exported(self) -> Sequence[tuple[int, int]]:
        """Since the last call: run number and the `seq` up to which its spans have reached the backend."""
        ...

    async def close(self, timeout: float) -> None:
        """Send what is left, for at most `timeout` seconds."""
