"""A pen: the connection on which the journal is written, with what a single line needs at hand."""

from __future__ import annotations

from engine.model.change import Batch
from engine.stores.postgres.batches import NOBODY, write_batch
from engine.stores.postgres.connect import Connection, Door, Prepared
from engine.stores.postgres.statements import statement

INSERT_ENTRY = statement("insert_entry")


class Pen:
    """Whoever holds it sees to it that no write takes too long; see `Door.connect`."""

    def __init__(self, connection: Connection, door: Door) -> None:
        self.connection = connection
        self._door = door
        self._insert: Prepared | None = None

    async def write(self, batch: Batch, mark: int) -> frozenset[int]:
        """See `write_batch`. A step of a chain is one line: asking the driver for a statement anew costs it 10 us."""
        if len(batch.entries) == 1 == len(batch.epochs) and not (batch.changes or batch.logs or self._door.pooled):
            (entry,) = batch.entries
            if batch.epochs.get(entry.run) == entry.epoch:
                insert = self._insert
                if insert is None:
                    insert = self._insert = await self.connection.prepare(self._door.address.sql(INSERT_ENTRY))
                return NOBODY if await insert.fetchval(*entry) is not None else frozenset((entry.run,))
        return await write_batch(self.connection, self._door, batch, mark)
