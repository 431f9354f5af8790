"""The bell: tells other nodes at once that there is news. Only a hint: whoever misses it looks a moment later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from engine.stores.listeners import Listeners
from engine.stores.postgres.connect import Connection, Door, detached
from engine.stores.postgres.database import Database, goodbye
from engine.stores.postgres.errors import is_theirs

_log = logging.getLogger("headrace.postgres")

APART: Final = 0.02
"""Seconds between two rings of one process. NOTIFY makes all transactions of the server commit one by one."""

QUIET: Final = 0.05
"""Seconds without a ring after which a transaction may ring by itself."""

LOOK: Final = 0.25
"""Seconds after which `changed` says True whatever was heard: looking is the truth."""


class Bell:
    """Rings for others, and listens. Lives on the loop's thread; none of it ever raises or is waited for."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.listeners = Listeners()
        self._heard = False
        self._looked = 0.0
        self._rung = 0.0
        self._ringing: asyncio.Task[None] | None = None
        self._again = False
        self._listener: Connection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._database: Database | None = None

    def open(self, database: Database) -> None:
        """From now on `ring` works."""
        self._database = database
        self._door = database.door

    def heard(self) -> bool:
        """Whether there may be news since the last call."""
        now = monotonic()
        if self._heard or now - self._looked >= LOOK:
            self._heard, self._looked = False, now
            return True
        return False

    def touched(self, *, rung: bool = False) -> None:
        """Something was written here that nodes may want to look at: this one and the others shall.

        `rung` says that the transaction itself has told the others.
        """
        self._news()
        if not rung:
            self.ring()

    def word(self) -> tuple[str, str] | None:
        """What a transaction may pass to `pg_notify`; None when this process had something to tell a moment ago.

        It saves who listens a round trip of ours, and is for the first of many only: transactions that notify are
        flushed one after the other.
        """
        now = monotonic()
        if self._ringing is not None or now - self._rung < QUIET:
            return None
        self._rung = now
        return self._channel, self._door.name

    def ring(self) -> None:
        """Tell the others: at once when it has been quiet, else a little later, together with what comes till then."""
        self._again = True
        if self._ringing is None and self._database is not None:
            self._ringing = detached(self._ring(), "bell")

    async def _ring(self) -> None:
        database = self._database
        try:
            while self._again and database is not None:
                await asyncio.sleep(max(0.0, self._rung + APART - monotonic()))
                self._again, self._rung = False, monotonic()
                await database.query(
                    lambda connection: connection.fetchval("SELECT pg_notify($1, $2)", self._channel, self._door.name)
                )
        except Exception as error:  # noqa: BLE001 - it is only a hint, and said so
            _log.debug("could not tell other nodes of news: %s", error)
        finally:
            self._ringing = None

    def listen(self) -> None:
        """Hear what others ring, on a connection of its own. A pooler has no use for such; then there is looking."""
        if self._listening is None and not self._door.pooled:
            self._listening = detached(self._listen(), "listening")

    async def _listen(self) -> None:
        pause = 0.1
        while True:
            try:
                gone = asyncio.Event()
                connection = self._listener = await self._door.connect()
                connection.add_termination_listener(_setter(gone))
                await connection.add_listener(self._channel, self._hear)
                pause = 0.1
                self._news()  # what was rung while nobody listened
                await gone.wait()
            except Exception as error:
                if not is_theirs(error):
                    raise
                _log.debug("not listening for news of other nodes: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _hear(self, _connection: object, _pid: int, _channel: str, who: str) -> None:
        if who != self._door.name:
            self._news()

    def _news(self) -> None:
        self._heard = True
        self.listeners.tell()

    @property
    def _channel(self) -> str:
        return f"headrace {self._door.address.schema}"[:63]

    async def close(self) -> None:
        """Ring what is to be rung, and hang up."""
        if self._ringing is not None:
            await asyncio.wait([self._ringing], timeout=2.0)
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
            self._listening = None
        if self._listener is not None:
            await goodbye(self._listener)
            self._listener = None
        self._database = None


def _setter(event: asyncio.Event) -> Callable[[object], None]:
    return lambda _: event.set()
