"""Pools on SQLite: rows for held slots, deleted with their node."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.model.errors import Fenced
from engine.stores.sqlite.part import Part
from engine.stores.sqlite.statements import statement

FIND_NODE = statement("find_node")
COUNT_SLOTS = statement("count_slots")
TAKE_SLOT = statement("take_slot")
FREE_SLOT = statement("free_slot")
LIST_SLOTS = statement("list_slots")


class SQLitePools(Part):
    """Satisfies `ports.pools.Pools`."""

    async def acquire(self, pool: str, slots: int, *, node: str, run: int, key: str) -> bool:
        holder = {"pool": pool, "node": node, "run": run, "key": key}

        def free(connection: sqlite3.Connection) -> bool:
            return int(connection.execute(COUNT_SLOTS, holder).fetchone()[0]) < slots

        def work(connection: sqlite3.Connection) -> bool:
            if connection.execute(FIND_NODE, (node,)).fetchone() is None:
                raise Fenced(
                    f"node {node} has not joined this store, or was declared dead: it may not hold slots of {pool}"
                )
            if not free(connection):
                return False
            connection.execute(TAKE_SLOT, holder)
            return True

        # Looking first means that waiting for a full pool does not keep writers busy.
        return await self._db.query(free) and await self._db.transact(work)

    async def release(self, pool: str, *, run: int, key: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(FREE_SLOT, (pool, run, key))

        await self._db.transact(work)

    async def holders(self) -> Sequence[tuple[str, int, str, str]]:
        return await self._db.query(lambda connection: [(*row,) for row in connection.execute(LIST_SLOTS).fetchall()])
