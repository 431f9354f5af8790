"""Part: what the parts of the store, one for each port, have in common."""

from __future__ import annotations

from engine.model.errors import StoreError
from engine.stores.sqlite.database import Database


class Part:
    """A slice of SQLiteStore."""

    _database: Database | None = None

    @property
    def _db(self) -> Database:
        """The open database. Raises StoreError before `open` and after `close`."""
        if self._database is None:
            raise StoreError("the store is not open: call `await store.open()` first, and not after `close()`")
        return self._database
