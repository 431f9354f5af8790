"""The journal on PostgreSQL: read in pages, written by a writer of its own."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.change import Batch
from engine.model.entry import Entry
from engine.ports.journal import Written
from engine.stores.postgres.connect import Connection
from engine.stores.postgres.part import Part
from engine.stores.postgres.statements import statement
from engine.stores.postgres.writer import Writer

READ_JOURNAL = statement("read_journal")

PAGE = 5_000
"""Entries read at a stretch: some 15 ms of the loop's time."""


class PostgresJournal(Part):
    """Satisfies `ports.journal.Journal`."""

    _writer: Writer | None = None

    @property
    def immediate(self) -> bool:
        return False

    async def read(self, run: int) -> Sequence[Entry]:
        sql = self._db.sql(READ_JOURNAL)
        entries: list[Entry] = []
        while True:
            after = entries[-1].seq if entries else -1

            async def page(connection: Connection, after: int = after) -> list[Entry]:
                return [Entry(*row.values()) for row in await connection.fetch(sql, run, after, PAGE)]

            more = await self._db.query(page)
            entries += more
            if len(more) < PAGE:
                return entries

    def write_one(self, entry: Entry) -> bool | None:
        return None

    def write(self, batch: Batch, written: Written) -> None:
        if self._writer is None:
            self._writer = Writer(self._db, self._bell)
        self._writer.submit(batch, written)
