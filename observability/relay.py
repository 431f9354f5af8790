"""Telemetry that passes all it hears on to another: the base of those who only listen in."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.entry import Entry
from engine.model.run import LogLine, RunRecord
from engine.ports.telemetry import RunIdentity, Telemetry


class Relay:
    """Override what you listen to, and call it here as well. Satisfies `ports.telemetry.Telemetry`."""

    def __init__(self, inner: Telemetry) -> None:
        self._inner = inner

    def started(self, run: RunIdentity, record: RunRecord) -> None:
        self._inner.started(run, record)

    def recorded(self, run: RunIdentity, entries: Sequence[Entry]) -> None:
        self._inner.recorded(run, entries)

    def ended(
        self, run: RunIdentity, record: RunRecord, *, started: int, ended: int, outcome: str, error: bytes | None
    ) -> None:
        self._inner.ended(run, record, started=started, ended=ended, outcome=outcome, error=error)

    def logged(self, run: RunIdentity, line: LogLine) -> None:
        self._inner.logged(run, line)

    def attach(self, run: RunIdentity, span: int) -> object:
        return self._inner.attach(run, span)

    def exported(self) -> Sequence[tuple[int, int]]:
        return self._inner.exported()

    async def close(self, timeout: float) -> None:
        await self._inner.close(timeout)
