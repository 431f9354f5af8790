"""Claims: a node takes up runs that are due, as long as there is room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from engine.model.errors import HeadraceError, StoreBusy, StoreError, StoreFull
from engine.model.run import RunRecord
from engine.ports.clock import Cancellable
from engine.runtime import execution
from engine.runtime.futures import finished
from engine.runtime.hosting import Hosting
from engine.runtime.service import bear_with

_log = logging.getLogger("headrace.node")

AT_ONCE: Final = 100
"""Runs claimed in one transaction."""


class Claims:
    """A service of a node. Sleeps until the node is woken, or until the next run is due."""

    def __init__(self, node: Hosting) -> None:
        self._node = node
        self._stays = node.stays
        self._alarm: Cancellable | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Claim until cancelled. Raises StoreError, unless the store only cannot write for now."""
        ready()
        try:
            while True:
                self._node.wake.clear()
                room = min(AT_ONCE, self._node.settings.concurrency - len(self._stays))
                try:
                    claimed = await self._answer(self._claim(room) if room > 0 else self._claim_children())
                except (StoreBusy, StoreFull) as error:
                    await bear_with(error, self._node.settings.rescue_every)
                    continue
                for record in claimed:
                    self._take_up(record)
                if claimed and len(claimed) >= room:  # there may be more
                    await asyncio.sleep(0)
                    continue
                if room > 0:  # else a run that leaves makes room, and no time does
                    await self._set_alarm()
                await self._node.wake.wait()
        finally:
            self._call_off_alarm()

    async def _answer(self, claim: Coroutine[Any, Any, Sequence[RunRecord]]) -> Sequence[RunRecord]:
        """What a claim takes. When the node stops meanwhile, that is let go as soon as it is known."""
        if self._node.store.immediate:
            return await claim
        claiming = asyncio.get_running_loop().create_task(claim, name="headrace claim")
        try:
            await finished(claiming)
        except asyncio.CancelledError:
            self._node.background(self._let_go(claiming), "let claimed runs go")
            raise
        return claiming.result()

    async def _let_go(self, claiming: asyncio.Task[Sequence[RunRecord]]) -> None:
        try:
            records = await claiming
        except HeadraceError as error:
            _log.debug("a claim was under way when the node stopped, and failed: %s", error)
            return
        await asyncio.gather(*(execution.let_go(self._node, record) for record in records))

    async def _claim(self, limit: int) -> Sequence[RunRecord]:
        node, duty = self._node, self._node.duty
        return await node.store.claim(
            node.id, now=node.clock.now(), limit=limit, flows=node.flows.keys(), only=duty.only, takes=duty.takes
        )

    async def _claim_children(self) -> Sequence[RunRecord]:
        """Where there is no room: a run that waits for a child and cannot leave gives its place to the child."""
        node = self._node
        parents = [awaited for session in self._stays.sessions.values() if (awaited := session.awaited_children)]
        children = {num for parent in parents for num in parent if num not in self._stays}
        places = node.settings.concurrency + len(parents) - len(self._stays)
        if not children or places <= 0:
            return ()
        return await node.store.claim(
            node.id, now=node.clock.now(), limit=places, flows=node.flows.keys(), only=children, takes=node.duty.takes
        )

    def _call_off_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def _set_alarm(self) -> None:
        self._call_off_alarm()
        node = self._node
        when = await node.store.next_due(flows=node.flows.keys(), takes=node.duty.takes)
        if when is not None and (node.duty.only is None or when > node.clock.now()):
            self._alarm = node.clock.call_at(when, node.wake.set)

    def _take_up(self, record: RunRecord) -> None:
        stay = asyncio.get_running_loop().create_task(self._stay(record), name=f"headrace stay {record.id}")
        self._stays.begin(record.num, stay)

    async def _stay(self, record: RunRecord) -> None:
        node = self._node
        try:
            await execution.execute(node, record, node.flows[record.flow], self._stays.arrived)
        except asyncio.CancelledError:
            raise
        except StoreError as error:
            node.store_failed(record, error)
        except Exception as error:  # noqa: BLE001 - one run's trouble must not end the node; it is logged and told
            _log.exception("run %s of %s could not be carried on", record.id, record.flow)
            node.ends.fail(record.num, error)
        finally:
            self._stays.end(record.num)
            node.wake.set()
