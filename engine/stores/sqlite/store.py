"""SQLiteStore: the embedded store, put together from one part for each port."""

from __future__ import annotations

import os
from pathlib import Path

from engine.model.errors import StoreError
from engine.stores.sqlite.connect import Durability
from engine.stores.sqlite.database import Database
from engine.stores.sqlite.history import SQLiteHistory
from engine.stores.sqlite.inbox import SQLiteInbox
from engine.stores.sqlite.journal import SQLiteJournal
from engine.stores.sqlite.locks import NodeLocks
from engine.stores.sqlite.nodes import SQLiteNodes
from engine.stores.sqlite.pools import SQLitePools
from engine.stores.sqlite.rates import SQLiteRates

_SURVIVES = {"process": "survives kill -9", "power": "survives power loss"}


class SQLiteStore(SQLiteInbox, SQLiteJournal, SQLiteNodes, SQLitePools, SQLiteRates, SQLiteHistory):
    """Satisfies `ports.store.Store` on one file, which any number of processes may share on one machine.

    At durability `process` the loop's thread commits by itself, and what it committed survives the death of
    every process; at `power` a writer thread commits with fsync, and it survives the machine's too.
    """

    def __init__(self, path: str | Path, *, durability: Durability = "process") -> None:
        if str(path) in ("", ":memory:"):
            raise StoreError("SQLiteStore needs a path: other processes could not see it otherwise. Use MemoryStore")
        self._path = Path(os.path.realpath(path))
        self._durability: Durability = durability
        self._locks = NodeLocks(self._path)

    @property
    def description(self) -> str:
        return f"SQLite at {self._path}, durability {self._durability} ({_SURVIVES[self._durability]})"

    async def open(self) -> None:
        self._database = await Database.open(self._path, self._durability)
        self.changed()

    async def close(self) -> None:
        if self._database is not None:
            database, self._database = self._database, None
            await database.close()
            self._locks.close()
