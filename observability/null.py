"""Telemetry when nobody is listening."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.entry import Entry
from engine.model.run import LogLine, RunRecord
from engine.ports.telemetry import RunIdentity


class NullTelemetry:
    """Does nothing, at the price of a call."""

    def started(self, run: RunIdentity, record: RunRecord) -> None:
        pass

    def recorded(self, run: RunIdentity, entries: Sequence[Entry]) -> None:
        pass

    def ended(
        self, run: RunIdentity, record: RunRecord, *, started: int, ended: int, outcome: str, error: bytes | None
    ) -> None:
        pass

    def logged(self, run: RunIdentity, line: LogLine) -> None:
        pass

    def attach(self, run: RunIdentity, span: int) -> object:
        return None

    def exported(self) -> Sequence[tuple[int, int]]:
        return ()

    async def close(self, timeout: float) -> None:
        pass
