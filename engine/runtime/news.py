"""News: a node notices what other processes wrote: runs, signals, cancellations, ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from engine.runtime.hosting import Hosting

LOOKED_AT: Final = 100
"""Runs not in this process's memory whose end is looked for at a time; 2 ms of work. The others have their turn."""

LOOKS_APART: Final = 0.02
"""Seconds between two looks at the store, however often it says that there is news: each costs some queries."""


class News:
    """A service of a node."""

    def __init__(self, node: Hosting) -> None:
        self._node = node
        self._mark = 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Look until cancelled. Raises StoreError.

        At once when the store tells and it has been quiet, else together with what else comes within `LOOKS_APART`.
        """
        ready()
        store, loop = self._node.store, asyncio.get_running_loop()
        pause = self._node.settings.poll.total_seconds()
        again, told = asyncio.Event(), False

        def tell() -> None:
            nonlocal told
            told = True
            again.set()

        forget = store.on_change(tell)
        looked = -LOOKS_APART
        try:
            while True:
                if told:
                    await asyncio.sleep(looked + LOOKS_APART - loop.time())
                hint, told = told, False
                again.clear()
                if store.changed() or hint:
                    looked = loop.time()
                    await self.look()
                else:
                    await self._look_for_ends()
                timer = loop.call_later(pause, again.set)
                try:
                    await again.wait()
                finally:
                    timer.cancel()
        finally:
            forget()

    async def look(self) -> None:
        """See what is new in the store."""
        node = self._node
        node.wake.set()
        if here := node.stays.here:
            for signal in await node.store.signals_after(self._mark, here):
                self._mark = max(self._mark, signal.id)
                node.stays.hear(signal)
            for num, reason in await node.store.cancelled(here):
                node.stays.call_off(num, reason)
        node.ends.changed(node.stays)
        await self._look_for_ends()

    async def _look_for_ends(self) -> None:
        for num in self._node.ends.unseen(LOOKED_AT):
            await self._node.see_end(num)
