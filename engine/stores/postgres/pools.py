"""Pools on PostgreSQL: rows for slots of tasks, deleted with their node; a running run is its flow's slot itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.model.errors import Fenced
from engine.stores.postgres.connect import Connection
from engine.stores.postgres.lease import Leases
from engine.stores.postgres.message import Statement, rows_of, send
from engine.stores.postgres.part import Part
from engine.stores.postgres.statements import statement

HOLD_NODE = statement("hold_node")
INSERT_POOL = statement("insert_pool")
LOCK_POOLS = statement("lock_pools")
LOOK_FOR_SLOT = statement("look_for_slot")
TAKE_SLOT = statement("take_slot")
FREE_SLOT = statement("free_slot")
LIST_SLOTS = statement("list_slots")


class PostgresPools(Part):
    """Satisfies `ports.pools.Pools`."""

    _leases: Leases

    async def acquire(self, pool: str, slots: int, *, node: str, run: int, key: str) -> bool:
        async def free(connection: Connection) -> bool:
            return bool(await connection.fetchval(self._db.sql(LOOK_FOR_SLOT), pool, run, key, slots))

        async def take(connection: Connection, _: bool) -> int:
            taking = (TAKE_SLOT, (pool, run, key, slots, node))
            return rows_of(await send(connection, self._db.door, *alone_with(node, [pool]), taking))

        # Looking first means that waiting for a full pool locks nothing.
        if not await self._db.query(free):
            return False
        told = await self._db.converse(take)
        if not told:
            raise Fenced(
                f"node {node} has not joined this store, or was declared dead: it may not hold slots of {pool}"
            )
        return told > 1

    async def release(self, pool: str, *, run: int, key: str) -> None:
        mine = [*self._leases.held]
        await self._db.query(lambda connection: connection.execute(self._db.sql(FREE_SLOT), pool, run, key, mine))

    async def holders(self) -> Sequence[tuple[str, int, str, str]]:
        async def work(connection: Connection) -> list[tuple[str, int, str, str]]:
            rows = await connection.fetch(self._db.sql(LIST_SLOTS))
            return [(row["pool"], row["run"], row["key"], row["node"]) for row in rows]

        return await self._db.query(work)


def alone_with(node: str, pools: Collection[str]) -> Sequence[Statement]:
    """How a message begins after which nobody else takes slots of these pools until it has been done.

    The node is held first: who waits for it, because somebody is burying it, keeps nobody from a pool.
    """
    names = sorted({*pools})
    return ((HOLD_NODE, (node,)), (INSERT_POOL, (names,)), (LOCK_POOLS, (names,)))
