"""Pools on SQLite: rows for slots of tasks, deleted with their node; a running run is its flow's slot itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from engine.model.errors import Fenced
from engine.model.limits import Pool
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


def with_room(
    connection: sqlite3.Connection, runs: Sequence[tuple[int, str]], pools: Mapping[str, Pool]
) -> list[tuple[int, str | None]]:
    """Of runs, by number and flow, those that a slot is free for, each with the name of its pool."""
    room: dict[str, int] = {}
    chosen: list[tuple[int, str | None]] = []
    for num, flow in runs:
        pool = pools.get(flow)
        if pool is None:
            chosen.append((num, None))
            continue
        left = room[pool.name] if pool.name in room else _free(connection, pool)
        room[pool.name] = left - 1
        if left > 0:
            chosen.append((num, pool.name))
    return chosen


def full(connection: sqlite3.Connection, pools: Mapping[str, Pool]) -> Collection[str]:
    """Names of the pools of which no slot is free."""
    return {pool.name for pool in pools.values() if _free(connection, pool) <= 0}


def _free(connection: sqlite3.Connection, pool: Pool) -> int:
    nobody = {"pool": pool.name, "run": 0, "key": ""}
    return pool.slots - int(connection.execute(COUNT_SLOTS, nobody).fetchone()[0])
