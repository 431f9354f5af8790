"""The arenas: a store with everything that can happen to it, PostgreSQL behind proxies or one SQLite file."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal, Protocol

from engine.ports.store import Store
from engine.stores.postgres.errors import is_theirs
from engine.stores.postgres.store import PostgresStore
from engine.stores.sqlite.store import SQLiteStore
from tests.chaos.sight import PostgresWindow, SQLiteWindow, Window
from tests.support import relay
from tests.support.postgres import Server
from tests.support.proxy import Proxy

LEASE: Final = 2.0

ACTIVITY: Final = """
SELECT pid, application_name, state, wait_event, pg_blocking_pids(pid), clock_timestamp() - xact_start,
       clock_timestamp() - state_change, left(regexp_replace(query, '\\s+', ' ', 'g'), 160)
FROM pg_stat_activity WHERE backend_type = 'client backend' AND (state <> 'idle' OR wait_event = 'Lock')
"""


class Arena(Protocol):
    """Where nodes fight. `lease` is how long a dead node may keep its runs, in seconds."""

    name: str
    lease: float

    async def open(self) -> None: ...

    def url(self, slot: int) -> str:
        """What the node in this slot is told."""
        ...

    def store(self) -> Store:
        """A store for the client that starts runs, troubled like any other."""
        ...

    def window(self) -> Window:
        """A look inside, untroubled."""
        ...

    def proxy(self, slot: int) -> Proxy | None:
        """What stands between a slot and the server; slot -1 is the client's."""
        ...

    async def restart(self, mode: Literal["fast", "immediate"], away: float) -> None:
        """Stop the server, leave it away for so many seconds, start it again."""
        ...

    async def activity(self) -> str:
        """What the server is doing, for people."""
        ...

    async def close(self) -> None: ...


class PostgresArena:
    """A private server, and a proxy of its own in front of each slot."""

    name = "postgres"

    def __init__(self, slots: int, lease: float = LEASE) -> None:
        self.lease = lease
        self._slots = slots
        self._server = Server(max_connections="400", restart_after_crash="on")
        self._stack = AsyncExitStack()
        self._proxies: dict[int, Proxy] = {}

    async def open(self) -> None:
        await asyncio.to_thread(self._server.start)
        for slot in range(-1, self._slots):
            self._proxies[slot] = await self._stack.enter_async_context(relay.opened(Proxy(self._server.port)))

    def url(self, slot: int) -> str:
        port = self._proxies[slot].port
        return f"{self._server.url_of('postgres', port=port)}&lease={self.lease:g}"

    def store(self) -> Store:
        return PostgresStore(self.url(-1))

    def window(self) -> Window:
        return PostgresWindow(self._server.url)

    def proxy(self, slot: int) -> Proxy | None:
        return self._proxies[slot]

    async def restart(self, mode: Literal["fast", "immediate"], away: float) -> None:
        await asyncio.to_thread(self._server.stop, mode)
        await asyncio.sleep(away)
        await asyncio.to_thread(self._server.start)

    async def activity(self) -> str:
        try:
            rows = await self.window().rows(ACTIVITY)
        except Exception as error:
            if not is_theirs(error):
                raise
            return f"{error}\n"  # it is being restarted
        return "".join(" | ".join(map(str, row)) + "\n" for row in rows)

    async def close(self) -> None:
        await self._stack.aclose()
        await asyncio.to_thread(self._server.remove)


class SQLiteArena:
    """A file. A dead process's lock is free at once: what takes time is looking for it."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.lease = 0.2
        self._path = folder / "state.db"

    async def open(self) -> None:
        store = self.store()
        await store.open()
        await store.close()

    def url(self, slot: int) -> str:
        return f"sqlite:///{self._path}"

    def store(self) -> Store:
        return SQLiteStore(self._path)

    def window(self) -> Window:
        return SQLiteWindow(self._path)

    def proxy(self, slot: int) -> Proxy | None:
        return None

    async def restart(self, mode: Literal["fast", "immediate"], away: float) -> None:
        raise AssertionError("a file is not restarted")

    async def activity(self) -> str:
        return "a file does nothing\n"

    async def close(self) -> None:
        return
