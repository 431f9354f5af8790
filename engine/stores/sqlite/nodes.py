"""Nodes on SQLite: a row says who joined, an operating system lock says who lives."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from engine.model.errors import Fenced, StoreError
from engine.model.run import NodeRecord, RunRecord
from engine.stores.crash_loop import crash_loop
from engine.stores.rows import duty_of
from engine.stores.sqlite.errors import store_error
from engine.stores.sqlite.locks import NodeLocks
from engine.stores.sqlite.part import Part
from engine.stores.sqlite.rows import array, to_node, to_run
from engine.stores.sqlite.statements import statement

INSERT_NODE = statement("insert_node")
FIND_NODE = statement("find_node")
LIST_NODES = statement("list_nodes")
DELETE_NODE = statement("delete_node")
RELEASE_OWNED = statement("release_owned")
LIST_OWNED = statement("list_owned")
LAST_PROGRESS = statement("last_progress")
RESCUE_RUN = statement("rescue_run")
GIVE_UP_RUN = statement("give_up_run")
WAKE_RUN = statement("wake_run")
LET_GO = statement("let_go")
FREE_SLOTS_OF_NODE = statement("free_slots_of_node")


class SQLiteNodes(Part):
    """Satisfies `ports.nodes.Nodes`."""

    _locks: NodeLocks

    doubts: Callable[[], bool] | None = None  # the lock of the operating system is there as long as the process is

    async def join(self, node: NodeRecord) -> None:
        fields = {"id": node.id, "pid": node.pid, "host": node.host, "started": node.started}

        def work(connection: sqlite3.Connection) -> bool:
            return (
                connection.execute(INSERT_NODE, {**fields, "flows": array(node.flows), "duty": duty_of(node)}).rowcount
                > 0
            )

        # The lock comes first: a row without a held lock is a dead node to everybody else.
        if not self._take(node.id):
            raise StoreError(f"a node {node.id} is running on {self._db.path} already: give this one another id")
        try:
            new = await self._db.transact(work)
        except BaseException:
            self._locks.drop(node.id)
            raise
        if not new:
            self._locks.drop(node.id)
            raise StoreError(
                f"an earlier node {node.id} died on {self._db.path} and was not rescued: give this one another id"
            )

    async def leave(self, node: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(RELEASE_OWNED, (node,))
            connection.execute(FREE_SLOTS_OF_NODE, (node,))
            connection.execute(DELETE_NODE, (node,))

        await self._db.transact(work)
        self._locks.drop(node)

    async def beat(self, node: str) -> None:
        if await self._db.query(lambda connection: connection.execute(FIND_NODE, (node,)).fetchone()) is None:
            raise Fenced(f"node {node} was declared dead: its runs belong to others now, and it must stop")

    async def time(self) -> int | None:
        return None

    async def rescue(self, *, crash_limit: int, now: int) -> Sequence[RunRecord]:
        rescued: list[RunRecord] = []
        for node in await self._db.query(lambda connection: connection.execute(LIST_NODES).fetchall()):
            if self._locks.holds(node["id"]) or not self._take(node["id"]):
                continue
            # We hold the dead node's lock until its row is gone, so that nobody else rescues it or takes its id.
            try:
                rescued += await self._bury(node["id"], crash_limit=crash_limit, now=now)
            finally:
                self._locks.drop(node["id"])
        return rescued

    async def nodes(self) -> Sequence[NodeRecord]:
        rows = await self._db.query(lambda connection: connection.execute(LIST_NODES).fetchall())
        return [to_node(row, alive=self._locks.alive(row["id"])) for row in rows]

    def _take(self, node: str) -> bool:
        try:
            return self._locks.take(node)
        except OSError as error:
            raise store_error(error, self._db.path) from error

    async def _bury(self, node: str, *, crash_limit: int, now: int) -> Sequence[RunRecord]:
        def work(connection: sqlite3.Connection) -> list[RunRecord]:
            if not connection.execute(DELETE_NODE, (node,)).rowcount:
                return []  # another rescuer was faster
            connection.execute(FREE_SLOTS_OF_NODE, (node,))
            owned = connection.execute(LIST_OWNED, (node,)).fetchall()
            return [_rescue(connection, row, crash_limit=crash_limit, now=now) for row in owned]

        return await self._db.transact(work)


def _rescue(connection: sqlite3.Connection, row: sqlite3.Row, *, crash_limit: int, now: int) -> RunRecord:
    newest = connection.execute(LAST_PROGRESS, (row["num"],)).fetchone()
    progress = -1 if newest is None else newest["seq"]
    crashes = 1 if progress > row["crash_seq"] else row["crashes"] + 1
    counted = {"num": row["num"], "crashes": crashes, "progress": progress}
    if crashes < crash_limit:
        return to_run(connection.execute(RESCUE_RUN, counted).fetchone())
    error = crash_loop(row["id"], row["flow"], crashes)
    (failed,) = connection.execute(GIVE_UP_RUN, {**counted, "now": now, "error": error}).fetchall()
    if row["parent"] is not None:
        connection.execute(WAKE_RUN, (row["parent"],))
    if row["lane"] is not None:
        connection.execute(LET_GO, (row["lane"],))
    return to_run(failed)
