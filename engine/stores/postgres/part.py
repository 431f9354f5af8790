"""Part: what the parts of the store, one for each port, have in common."""

from __future__ import annotations

import secrets

from engine.model.errors import StoreError
from engine.stores.postgres.bell import Bell
from engine.stores.postgres.database import Database


class Part:
    """A slice of PostgresStore."""

    _database: Database | None = None
    _bell: Bell

    @property
    def _db(self) -> Database:
        """The open database. Raises StoreError before `open` and after `close`."""
        if self._database is None:
            raise StoreError("the store is not open: call `await store.open()` first, and not after `close()`")
        return self._database


def token() -> int:
    """A number nobody else draws, by which something is known again after its fate was unknown."""
    return secrets.randbits(63)
