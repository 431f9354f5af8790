"""Nodes on PostgreSQL: a row with a lease says who lives, and the server's clock judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from engine.model.errors import Fenced, StoreError
from engine.model.run import NodeRecord, RunRecord
from engine.stores.postgres.burial import bury
from engine.stores.postgres.connect import Connection, Row
from engine.stores.postgres.lease import Leases
from engine.stores.postgres.message import apart, send
from engine.stores.postgres.part import Part
from engine.stores.postgres.rows import to_node
from engine.stores.postgres.statements import statement
from engine.stores.rows import duty_of

INSERT_NODE = statement("insert_node")
FIND_NODE = statement("find_node")
LIST_NODES = statement("list_nodes")
TELL_TIME = statement("tell_time")
DELETE_NODE = statement("delete_node")
LOCK_OWNED = statement("lock_owned")
RELEASE_OWNED = statement("release_owned")
FREE_SLOTS_OF_NODE = statement("free_slots_of_node")
FIND_EXPIRED = statement("find_expired")


class PostgresNodes(Part):
    """Satisfies `ports.nodes.Nodes`."""

    _leases: Leases

    @property
    def doubts(self) -> Callable[[], bool]:
        return self._doubtful

    def _doubtful(self) -> bool:
        return self._leases.doubtful()

    async def join(self, node: NodeRecord) -> None:
        door = self._db.door
        asked = monotonic()

        async def work(connection: Connection) -> bool:
            nonlocal asked
            asked = monotonic()
            about = (node.id, node.pid, node.host, node.started, [*node.flows])
            lease = door.address.lease
            fields = (*about, door.name, lease, duty_of(node, lease=lease.total_seconds()))
            if await connection.fetchval(self._db.sql(INSERT_NODE), *fields) is not None:
                return True
            # It may be our own row, of an attempt whose answer was lost.
            known = await connection.fetchrow(self._db.sql(FIND_NODE), node.id)
            return known is not None and known["token"] == door.name and node.id not in self._leases.held

        if not await self._db.query(work):
            raise StoreError(
                f"a node {node.id} is running on {door.address.shown}, or died and was not rescued yet: "
                "give this one another id"
            )
        self._leases.add(node.id, asked)
        self._bell.listen()

    async def leave(self, node: str) -> None:
        # The node first: no claim of ours that is still under way can take anything after this.
        going = (DELETE_NODE, LOCK_OWNED, RELEASE_OWNED, FREE_SLOTS_OF_NODE)
        statements = [(statement, (node,)) for statement in going]
        self._leases.drop(node)
        await self._db.converse(lambda connection, _: send(connection, self._db.door, *statements))
        self._bell.ring()

    async def beat(self, node: str) -> None:
        async def work(connection: Connection) -> Row | None:
            return await connection.fetchrow(self._db.sql(FIND_NODE), node)

        row = None if node in self._leases.lost else await self._db.query(work)
        if row is None or (node in self._leases.held and row["token"] != self._db.door.name):
            self._leases.drop(node)
            raise Fenced(f"node {node} was declared dead: its runs belong to others now, and it must stop")

    async def time(self) -> int | None:
        return await self._db.query(lambda connection: connection.fetchval(TELL_TIME))

    async def rescue(self, *, crash_limit: int, now: int) -> Sequence[RunRecord]:
        async def work(connection: Connection, _: bool) -> None:
            async with apart(connection, door):
                mine = [*self._leases.held]
                expired = await connection.fetch(self._db.sql(FIND_EXPIRED), mine, door.address.lease)
            for row in expired:
                rescued.extend(await bury(connection, door, row["id"], row["token"], crash_limit=crash_limit, now=now))

        # After a cut between us and the server the others have been cut off too, perhaps: they get a lease's time.
        if self._leases.held and monotonic() < self._leases.wary_until:
            return []
        door = self._db.door
        rescued: list[RunRecord] = []
        await self._db.converse(work)
        if rescued:
            self._bell.ring()
        return sorted(rescued, key=lambda run: run.num)

    async def nodes(self) -> Sequence[NodeRecord]:
        async def work(connection: Connection) -> list[NodeRecord]:
            return [to_node(row) for row in await connection.fetch(self._db.sql(LIST_NODES))]

        return await self._db.query(work)
