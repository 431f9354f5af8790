"""Pools on PostgreSQL: rows for slots of tasks, deleted with their node; a running run is its flow's slot itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.model.errors import Fenced
from engine.model.limits import Pool
from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Connection
from engine.stores.postgres.lease import Leases
from engine.stores.postgres.part import Part
from engine.stores.postgres.statements import statement

HOLD_NODE = statement("hold_node")
INSERT_POOL = statement("insert_pool")
LOCK_POOLS = statement("lock_pools")
COUNT_SLOTS = statement("count_slots")
FIND_SLOT = statement("find_slot")
TAKE_SLOT = statement("take_slot")
FREE_SLOT = statement("free_slot")
LIST_SLOTS = statement("list_slots")


class PostgresPools(Part):
    """Satisfies `ports.pools.Pools`."""

    _leases: Leases

    async def acquire(self, pool: str, slots: int, *, node: str, run: int, key: str) -> bool:
        async def free(connection: Connection) -> bool:
            if (await held(connection, self._db.address, [pool]))[pool] < slots:
                return True
            return await connection.fetchval(self._db.sql(FIND_SLOT), pool, run, key) is not None

        async def work(connection: Connection, _: bool) -> bool:
            if await connection.fetchval(self._db.sql(HOLD_NODE), node) is None:
                raise Fenced(
                    f"node {node} has not joined this store, or was declared dead: it may not hold slots of {pool}"
                )
            await lock(connection, self._db.address, [pool])
            if not await free(connection):
                return False
            await connection.execute(self._db.sql(TAKE_SLOT), pool, run, key, node)
            return True

        # Looking first means that waiting for a full pool locks nothing.
        return await self._db.query(free) and await self._db.transact(work)

    async def release(self, pool: str, *, run: int, key: str) -> None:
        mine = [*self._leases.held]
        await self._db.query(lambda connection: connection.execute(self._db.sql(FREE_SLOT), pool, run, key, mine))

    async def holders(self) -> Sequence[tuple[str, int, str, str]]:
        async def work(connection: Connection) -> list[tuple[str, int, str, str]]:
            rows = await connection.fetch(self._db.sql(LIST_SLOTS))
            return [(row["pool"], row["run"], row["key"], row["node"]) for row in rows]

        return await self._db.query(work)


async def lock(connection: Connection, address: Address, pools: Collection[str]) -> None:
    """Let nobody else take slots of these pools before the transaction ends."""
    await connection.execute(address.sql(INSERT_POOL), sorted(pools))
    await connection.execute(address.sql(LOCK_POOLS), sorted(pools))


async def held(connection: Connection, address: Address, pools: Collection[str]) -> dict[str, int]:
    """How many slots of each pool are held."""
    rows = await connection.fetch(address.sql(COUNT_SLOTS), sorted(pools))
    return {row["name"]: row["held"] for row in rows}


async def room(connection: Connection, address: Address, pools: Mapping[str, Pool]) -> dict[str, int]:
    """How many runs of each flow its pool has slots for."""
    count = await held(connection, address, {pool.name for pool in pools.values()})
    return {flow: pool.slots - count[pool.name] for flow, pool in pools.items()}
