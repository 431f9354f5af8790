"""Exports: how far the spans of each run have reached the backend, so that a crash loses none and repeats few."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from engine.model.change import Exported
from engine.model.run import ENDED, RunRecord
from engine.ports.clock import Clock
from engine.ports.store import Store
from engine.ports.telemetry import WHOLE, RunIdentity, Telemetry
from engine.runtime.commit import GroupCommit
from engine.runtime.recording import identity_of
from engine.runtime.unsent import unsent

SENT_WITHIN: Final = 600 * 10**9
"""Nanoseconds. A node that starts sends the traces of runs that ended this shortly before once more, if need be."""

SENT_AGAIN: Final = 1_000
"""Runs looked at for that."""

NOTED_EVERY: Final = 0.5
"""Seconds between two notes."""

REMEMBERED: Final = 10 * SENT_AGAIN
"""Ended runs whose last mark is still to come. For more, a part of a trace may be sent twice, never lost."""


class Exports:
    """A service of a node, and where it reports the ends of runs."""

    def __init__(
        self,
        store: Store,
        telemetry: Telemetry,
        clock: Clock,
        commit: GroupCommit,
        *,
        epoch_of: Callable[[int], int | None],
        sends: bool,
    ) -> None:
        """`epoch_of`: of a run in this node's memory. `sends`: there is a backend."""
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._commit = commit
        self._epoch_of = epoch_of
        self._sends = sends
        self._ended: dict[int, int] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        """Note what was exported, until cancelled. Raises StoreError. Has nothing to do where there is no backend."""
        await self._send_again()
        ready()
        while True:
            await asyncio.sleep(NOTED_EVERY)
            for num, seq in self._telemetry.exported():
                epoch = self._epoch_of(num)
                if epoch is None:
                    epoch = self._ended.get(num)
                if epoch is not None:
                    self._commit.change(Exported(num, seq), epoch)
                if seq == WHOLE:
                    self._ended.pop(num, None)

    def ended(self, identity: RunIdentity, record: RunRecord) -> None:
        """Report the end of a run that is on disk."""
        if self._sends and len(self._ended) < REMEMBERED:
            self._ended[record.num] = record.epoch
        self._telemetry.ended(
            identity,
            record,
            started=record.started or record.created,
            ended=record.ended or record.created,
            outcome=record.state.value,
            error=record.error,
        )

    async def _send_again(self) -> None:
        """Export what ended runs of the last minutes may have lost when their node died before it was sent."""
        since = self._clock.now() - SENT_WITHIN
        for record in await self._store.list_runs(states=ENDED, limit=SENT_AGAIN):
            if record.exported < WHOLE and record.ended is not None and record.ended > since:
                identity = identity_of(record)
                self._telemetry.started(identity, record)
                if lines := unsent(await self._store.read(record.num), record.exported):
                    self._telemetry.recorded(identity, lines)
                self.ended(identity, record)
