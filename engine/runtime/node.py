"""A node: claims runs, keeps them in memory while they move, and writes for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import anyio

from engine.runtime import scoping
from engine.runtime.claims import Claims
from engine.runtime.clock import SharedClock
from engine.runtime.futures import outwait
from engine.runtime.hosting import Hosting
from engine.runtime.loopwatch import LoopWatch
from engine.runtime.news import News
from engine.runtime.pruning import Pruning
from engine.runtime.rescue import Rescue
from engine.runtime.runlog import RunLog
from engine.runtime.service import Service, supervise

_log = logging.getLogger("headrace.node")


class Node(Hosting):
    """One per process and store."""

    def services(self) -> list[Service]:
        """What a node consists of, in the order of starting."""
        services = [
            Service("claims", Claims(self).run),
            Service("news", self._news.run),
            Service("rescue", self._rescue.run),
        ]
        if self.sends:
            services.append(Service("exports", self.exports.run))
        if (keep := self.settings.keep) is not None:
            services.append(Service("pruning", Pruning(self.store, self.blobs, self.clock, keep).run))
        if isinstance(self.clock, SharedClock):
            services.append(Service("time", self.clock.keep))
        return services

    async def run(self, ready: Callable[[], None]) -> None:
        """Be a node until cancelled; then release every run for others, and leave. Raises StoreError."""
        self.clock = await self.clock.agreed(self.store)
        self.open()
        loop = asyncio.get_running_loop()
        self._news, self._rescue = News(self), Rescue(self)
        self._log_handler = RunLog(self, loop, self.commit.log, self.telemetry.logged)
        watch = LoopWatch(loop, self.settings.blocked_after.total_seconds())
        await self.store.join(self.duty.record(started=self.clock.now()))
        await self._rescue.look_at_nodes()
        scoping.install(loop)
        logging.getLogger().addHandler(self._log_handler)
        _log_at_least(logging.INFO)
        watch.start()
        why = "it was told to"
        try:
            await supervise(self.services(), ready)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            _log.error("the node stops: %s", why)
            raise
        finally:
            # In a task of its own: who is told to stop twice still hands over what it has.
            with anyio.CancelScope(shield=True):
                leaving = loop.create_task(self._leave(loop, watch, why), name="headrace leave")
                await outwait(leaving)
                leaving.result()

    async def _leave(self, loop: asyncio.AbstractEventLoop, watch: LoopWatch, why: str) -> None:
        await self.release_all()
        watch.stop()
        logging.getLogger().removeHandler(self._log_handler)
        scoping.uninstall(loop)
        self.close(why)
        await self.store.leave(self.id)

    async def look(self) -> None:
        """See at once what is new in the store: somebody in this process wrote there."""
        await self._news.look()


def _log_at_least(level: int) -> None:
    ours = logging.getLogger("headrace")
    if ours.level == logging.NOTSET:
        ours.setLevel(level)
