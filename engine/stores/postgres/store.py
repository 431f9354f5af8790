"""PostgresStore: the store for many nodes, put together from one part for each port."""

from __future__ import annotations

import secrets
from datetime import timedelta

from engine.stores.postgres.address import Address
from engine.stores.postgres.bell import Bell
from engine.stores.postgres.claims import LostClaims
from engine.stores.postgres.connect import Door, driver
from engine.stores.postgres.history import PostgresHistory
from engine.stores.postgres.inbox import PostgresInbox
from engine.stores.postgres.journal import PostgresJournal
from engine.stores.postgres.lease import Leases
from engine.stores.postgres.nodes import PostgresNodes
from engine.stores.postgres.opening import open_database
from engine.stores.postgres.pools import PostgresPools
from engine.stores.postgres.rates import PostgresRates

RENEW = timedelta(seconds=5)
PATIENCE = timedelta(seconds=30)


class PostgresStore(PostgresInbox, PostgresJournal, PostgresNodes, PostgresPools, PostgresRates, PostgresHistory):
    """Satisfies `ports.store.Store` in one schema of one database, for any number of nodes on any machines.

    lease     how long a node may be silent before others take its runs; the server's clock judges
    renew     how often it says that it lives; at most a quarter of the lease
    schema    where the tables are; made when it is not there
    patience  how long a server that does not answer is waited for before a call fails

    Everything is on disk before it is acknowledged. Each process opens at most a dozen connections.
    """

    def __init__(
        self,
        url: str,
        *,
        lease: timedelta | None = None,
        renew: timedelta = RENEW,
        schema: str | None = None,
        patience: timedelta = PATIENCE,
    ) -> None:
        address = Address.parse(url, schema=schema, lease=lease)
        if address.lease < timedelta(milliseconds=200):
            raise ValueError(f"lease={address.lease}: a node cannot say so often that it lives; take 200 ms or more")
        driver()
        self._door = Door(address, f"headrace {secrets.token_hex(12)}", patience=patience.total_seconds())
        self._bell = Bell(self._door)
        self._renew = min(renew, address.lease / 4)

    @property
    def description(self) -> str:
        address = self._door.address
        return f"PostgreSQL at {address.shown}, schema {address.schema}, durability power (survives power loss)"

    async def open(self) -> None:
        self._database = await open_database(self._door)
        self._leases = Leases(self._database.door, self._renew)
        self._lost = LostClaims()
        self._bell.open(self._database)

    async def close(self) -> None:
        if self._database is None:
            return
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        await self._leases.close()
        await self._bell.close()
        database, self._database = self._database, None
        await database.close()
