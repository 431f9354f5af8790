"""SQLite: the embedded store. One statement per file, numbered migrations, one writer at a time."""

from engine.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
