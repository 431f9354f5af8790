"""Pools on PostgreSQL: rows for held slots, deleted with their node."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.errors import Fenced
from engine.stores.postgres.connect import Connection
from engine.stores.postgres.part import Part
from engine.stores.postgres.statements import statement

HOLD_NODE = statement("hold_node")
INSERT_POOL = statement("insert_pool")
LOCK_POOL = statement("lock_pool")
COUNT_SLOTS = statement("count_slots")
TAKE_SLOT = statement("take_slot")
FREE_SLOT = statement("free_slot")
LIST_SLOTS = statement("list_slots")


class PostgresPools(Part):
    """Satisfies `ports.pools.Pools`."""

    async def acquire(self, pool: str, slots: int, *, node: str, run: int, key: str) -> bool:
        async def free(connection: Connection) -> bool:
            return bool(await connection.fetchval(self._db.sql(COUNT_SLOTS), pool, run, key) < slots)

        async def work(connection: Connection, _: bool) -> bool:
            if await connection.fetchval(self._db.sql(HOLD_NODE), node) is None:
                raise Fenced(
                    f"node {node} has not joined this store, or was declared dead: it may not hold slots of {pool}"
                )
            await connection.execute(self._db.sql(INSERT_POOL), pool)
            await connection.execute(self._db.sql(LOCK_POOL), pool)
            if not await free(connection):
                return False
            await connection.execute(self._db.sql(TAKE_SLOT), pool, run, key, node)
            return True

        # Looking first means that waiting for a full pool locks nothing.
        return await self._db.query(free) and await self._db.transact(work)

    async def release(self, pool: str, *, run: int, key: str) -> None:
        await self._db.query(lambda connection: connection.execute(self._db.sql(FREE_SLOT), pool, run, key))

    async def holders(self) -> Sequence[tuple[str, int, str, str]]:
        async def work(connection: Connection) -> list[tuple[str, int, str, str]]:
            rows = await connection.fetch(self._db.sql(LIST_SLOTS))
            return [(row["pool"], row["run"], row["key"], row["node"]) for row in rows]

        return await self._db.query(work)
