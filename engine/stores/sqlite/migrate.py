"""Migrations: brings a database to this version's tables, in one transaction, or says why it cannot."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from engine.model.errors import StoreCorrupt
from engine.stores.migrations import Migration, missing, read_migrations
from engine.stores.sqlite.connect import THREAD_PATIENCE, roll_back

APPLICATION_ID = 0x48445243
"""'HDRC' in the file's header: how a Headrace store is told from other SQLite databases."""

_SCHEMA_TABLE = """\
CREATE TABLE schema (
    version  INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    checksum TEXT    NOT NULL,
    applied  TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    CONSTRAINT schema_key PRIMARY KEY (version)
) STRICT, WITHOUT ROWID"""

PAGE_SIZE = 2048
"""Bytes. A commit of one journal line writes whole pages: half of SQLite's usual size takes a fifth off its time."""


@cache
def migrations() -> Sequence[Migration]:
    """All migrations, oldest first."""
    return read_migrations("engine.stores.sqlite")


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply what is missing. Raises StoreTooNew, StoreCorrupt, or the driver's error; nothing is half applied.

    Two processes may do this at once: the second finds the work done.
    """
    _refuse_foreign(connection, path)
    _write_ahead(connection)
    if not _missing(connection, path):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _refuse_foreign(connection, path)
        for migration in _missing(connection, path):
            if migration.version == 1:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(_SCHEMA_TABLE)
            for sql in _statements(migration.sql):
                connection.execute(sql)
            connection.execute(
                "INSERT INTO schema (version, name, checksum) VALUES (?, ?, ?)",
                (migration.version, migration.name, migration.checksum),
            )
        connection.execute("COMMIT")
    finally:
        roll_back(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. For this statement SQLite does not wait for another process's lock: we do."""
    deadline = time.monotonic() + THREAD_PATIENCE
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # heeded only while the file is empty
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and tables:
        raise StoreCorrupt(
            f"{path} is an SQLite database of another program, not a Headrace store. "
            "Give another path with --store or HEADRACE_STORE"
        )


def _missing(connection: sqlite3.Connection, path: Path) -> Sequence[Migration]:
    known = migrations()
    if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'schema'").fetchone()[0]:
        return known
    applied: dict[int, str] = dict(connection.execute("SELECT version, checksum FROM schema").fetchall())
    return missing(known, applied, str(path))


def _statements(script: str) -> Iterator[str]:
    # `executescript` would commit first, and a crash in it would leave half a schema.
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""
