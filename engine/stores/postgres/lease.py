"""Leases: renewed from a thread with a loop of its own, so that no task of ours can cost a node its life."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from time import monotonic

from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.errors import is_theirs
from engine.stores.postgres.message import apart, rows_of, send
from engine.stores.postgres.statements import statement

_log = logging.getLogger("headrace.postgres")

FIND_NODE = statement("find_node")
RENEW_LEASES = statement("renew_leases")


class Leases:
    """The leases of the nodes that joined through one store. `trusted_until` and `lost` may be read anywhere.

    A renewal counts from the moment it was asked for, by the monotonic clock: an answer that took its time does
    not stretch it. The server's clock alone says when a lease has expired.
    """

    def __init__(self, door: Door, renew: timedelta) -> None:
        self._door = replace(door, opening=set())  # the thread has a loop of its own
        self._lease = door.address.lease
        self._renew = renew.total_seconds()
        self._margin = self._lease.total_seconds() / 4
        self._nodes: frozenset[str] = frozenset()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self.lost: frozenset[str] = frozenset()
        self.trusted_until = 0.0
        self.wary_until = 0.0

    def doubtful(self) -> bool:
        """True when a lease was not renewed in time, so that others may have taken it for expired."""
        return monotonic() > self.trusted_until

    @property
    def held(self) -> Collection[str]:
        """The nodes whose leases are renewed here."""
        return self._nodes

    def add(self, node: str, asked: float) -> None:
        """Keep a lease that was taken; `asked` is when, by the monotonic clock."""
        with self._lock:
            self.lost -= {node}
            if not self._nodes:
                self.trusted_until = asked  # nothing was held till now, so nothing was missed
            self._nodes = self._nodes | {node}
        self._renewed(asked)
        if self._thread is None:
            started = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(started,), name="headrace-postgres-lease", daemon=True
            )
            self._thread.start()
            started.wait()

    def drop(self, node: str) -> None:
        """Stop renewing."""
        with self._lock:
            self._nodes = self._nodes - {node}

    async def close(self) -> None:
        """Stop renewing; what is still held expires."""
        with self._lock:
            self._nodes = frozenset()
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None and self._main is not None:
            self._loop.call_soon_threadsafe(self._main.cancel)
            await asyncio.to_thread(thread.join)

    def _renewed(self, asked: float) -> None:
        if asked > self.trusted_until:  # there was a gap: the others may have had one too, and come back now
            self.wary_until = asked + self._lease.total_seconds()
        self.trusted_until = asked + self._lease.total_seconds() - self._margin

    def _run(self, started: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(self._keep(started))
            except asyncio.CancelledError:
                return  # closed

    async def _keep(self, started: threading.Event) -> None:
        self._main = asyncio.current_task()
        started.set()
        connection: Connection | None = None
        pause = self._renew
        try:
            while True:
                await asyncio.sleep(pause)
                try:
                    async with asyncio.timeout(max(self._margin, 0.5)):
                        connection = connection or await self._door.connect()
                        await self._renew_all(connection)
                    pause = self._renew
                except Exception as error:
                    if not is_theirs(error):
                        raise
                    _log.warning("the lease of this node could not be renewed, trying again: %s", error)
                    if connection is not None:
                        connection.terminate()
                        connection = None
                    pause = min(self._renew, 0.2)
        finally:
            if connection is not None:
                connection.terminate()
            await self._door.settled()

    async def _renew_all(self, connection: Connection) -> None:
        nodes = self._nodes
        if not nodes:
            return
        asked = monotonic()
        renewing = (RENEW_LEASES, ([*nodes], self._door.name, self._lease))
        renewed = rows_of(await send(connection, self._door, renewing))
        self._renewed(asked)
        gone = frozenset[str]() if renewed == len(nodes) else await self._gone(connection, nodes)
        with self._lock:
            gone &= self._nodes
            self._nodes = self._nodes - gone
            self.lost |= gone

    async def _gone(self, connection: Connection, nodes: Collection[str]) -> frozenset[str]:
        sql = self._door.address.sql(FIND_NODE)
        async with apart(connection, self._door):
            known = [(node, await connection.fetchrow(sql, node)) for node in nodes]
        return frozenset(node for node, row in known if row is None or row["token"] != self._door.name)
