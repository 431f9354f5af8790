"""Pruning: finished runs that are old enough are forgotten, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from engine.model.errors import StoreError
from engine.ports.blobs import Blobs
from engine.ports.clock import Clock
from engine.ports.store import Store

_log = logging.getLogger("headrace.node")

BATCH: Final = 500
"""Runs forgotten in one transaction."""

PAUSE: Final = 0.05
"""Seconds between two batches, so that others get at the store."""

AGAIN: Final = 60.0
"""Seconds until somebody looks whether more has grown old, or whether the store works again."""


class Pruning:
    """A service of a node that does not keep history for ever.

    What it cannot do now it does later: history that stays longer harms nobody.
    """

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, keep: timedelta) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._keep = keep

    async def run(self, ready: Callable[[], None]) -> None:
        """Prune until cancelled."""
        ready()
        while True:
            try:
                count = await self._batch(self._clock.now() - int(self._keep / timedelta(microseconds=1)) * 1000)
            except StoreError as error:
                _log.warning("old runs could not be forgotten, trying again in %.0f s: %s", AGAIN, error)
                count = 0
            await asyncio.sleep(PAUSE if count else AGAIN)

    async def _batch(self, before: int) -> int:
        count, blobs = await self._store.prune(ended_before=before, limit=BATCH)
        await self._forget(blobs)
        return count

    async def _forget(self, blobs: Iterable[str]) -> None:
        """Delete objects whose runs are gone. One that cannot be deleted is named, since nothing else names it now."""
        for name in blobs:
            try:
                await self._blobs.delete(name)
            except StoreError as error:
                _log.warning("blob %s belongs to a run that was pruned and stays behind: %s", name, error)
