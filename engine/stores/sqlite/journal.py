"""The journal on SQLite: one statement for one entry, one transaction for a group."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from engine.model.change import Batch
from engine.model.entry import Entry
from engine.ports.journal import Written
from engine.stores.sqlite.changes import NOBODY, is_single, write_batch, write_single
from engine.stores.sqlite.connect import roll_back
from engine.stores.sqlite.database import Database
from engine.stores.sqlite.errors import is_busy, store_error
from engine.stores.sqlite.part import Part
from engine.stores.sqlite.statements import statement
from engine.stores.sqlite.writer import Job

READ_JOURNAL = statement("read_journal")

_as_entry = partial(cast("Callable[..., Entry]", tuple.__new__), Entry)  # pyright: ignore[reportUnknownMemberType]
"""A row is an entry as it stands; `Entry._make` would count its fields once more for each line."""

PAGE = 5_000
"""Entries read at a stretch: some 15 ms of the loop's time."""


class SQLiteJournal(Part):
    """Satisfies `ports.journal.Journal`."""

    @property
    def immediate(self) -> bool:
        return self._db.immediate

    async def read(self, run: int) -> Sequence[Entry]:
        entries: list[Entry] = []
        while True:
            after = entries[-1].seq if entries else -1

            def page(connection: sqlite3.Connection, after: int = after) -> list[Entry]:
                cursor = connection.cursor()
                cursor.row_factory = None
                return [*map(_as_entry, cursor.execute(READ_JOURNAL, (run, after, PAGE)))]

            more = await self._db.query(page)
            entries += more
            if len(more) < PAGE:
                return entries

    def write_one(self, entry: Entry) -> bool | None:
        database = self._db
        if not database.immediate:
            return None
        try:
            fenced = write_single(database.connection, entry)
        except Exception as failure:
            if is_busy(failure):
                return None
            raise store_error(failure, database.path) from failure
        database.checkpointer.wrote(1)
        return not fenced

    def write(self, batch: Batch, written: Written) -> None:
        database = self._db
        if not database.immediate:
            _hand_over(database, batch, written)
            return
        error: Exception | None = None
        fenced = NOBODY
        try:
            fenced = _write_here(database.connection, batch)
        except Exception as failure:  # noqa: BLE001 - the port promises that errors go to `written`
            if is_busy(failure):
                _hand_over(database, batch, written)
                return
            error = store_error(failure, database.path)
        else:
            database.checkpointer.wrote(len(batch.entries))
        written(fenced, error)


def _write_here(connection: sqlite3.Connection, batch: Batch) -> frozenset[int]:
    if is_single(batch):  # autocommit: the statement is the transaction
        return write_single(connection, batch.entries[0])
    connection.execute("BEGIN IMMEDIATE")
    try:
        fenced = write_batch(connection, batch)
        connection.execute("COMMIT")
    finally:
        roll_back(connection)
    return fenced


def _hand_over(database: Database, batch: Batch, written: Written) -> None:
    def done(error: Exception | None) -> None:
        if error is None:
            database.checkpointer.wrote(len(batch.entries))
        written(NOBODY if error else job.value, error)

    job = Job(lambda connection: write_batch(connection, batch), done, runs=batch.epochs.keys())
    database.writer.submit(job)
