"""Migrations: brings a schema to this version's tables, in one transaction, or says why it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from engine.model.errors import StoreCorrupt
from engine.stores.migrations import Migration, missing, read_migrations
from engine.stores.postgres.address import Address, quoted
from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.database import transaction

_MIGRATION_TABLE = """\
CREATE TABLE headrace.migration (
    version  integer     NOT NULL,
    name     text        NOT NULL,
    checksum text        NOT NULL,
    applied  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT migration_key PRIMARY KEY (version)
)"""
_TABLES = "SELECT count(*), count(*) FILTER (WHERE tablename = 'migration') FROM pg_tables WHERE schemaname = $1"
_APPLIED = "SELECT version, checksum FROM headrace.migration"
_NOTE = "INSERT INTO headrace.migration (version, name, checksum) VALUES ($1, $2, $3)"
_SCHEMA_EXISTS = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('headrace migration ' || $1, 0))"


@cache
def migrations() -> Sequence[Migration]:
    """All migrations, oldest first."""
    return read_migrations("engine.stores.postgres")


async def migrate(connection: Connection, door: Door) -> None:
    """Apply what is missing. Raises StoreTooNew, StoreCorrupt, or the driver's error; nothing is half applied.

    Many nodes may do this at once: one does the work, the others wait and find it done. The lock belongs to the
    transaction, so that a pooler cannot hand it to a stranger.
    """
    address = door.address
    async with transaction(connection, door):
        if not await _missing(connection, address):
            return
        await connection.execute(_ONE_AT_A_TIME, address.schema)
        lacking = await _missing(connection, address)
        if lacking and lacking[0].version == 1:
            await _lay_out(connection, address)
        for migration in lacking:
            await connection.execute(address.sql(migration.sql))
            await connection.execute(address.sql(_NOTE), migration.version, migration.name, migration.checksum)


async def _lay_out(connection: Connection, address: Address) -> None:
    # A schema that an administrator has made for us is used as it is: we may lack the right to make one.
    if await connection.fetchval(_SCHEMA_EXISTS, address.schema) is None:
        await connection.execute(f"CREATE SCHEMA {quoted(address.schema)}")
    await connection.execute(address.sql(_MIGRATION_TABLE))


async def _missing(connection: Connection, address: Address) -> Sequence[Migration]:
    known = migrations()
    row = await connection.fetchrow(_TABLES, address.schema)
    tables, ours = (0, 0) if row is None else (row[0], row[1])
    if not ours:
        if tables:
            raise StoreCorrupt(
                f"the schema {address.schema} at {address.shown} holds tables of another program, no Headrace store. "
                "Name another schema: postgresql://…?schema=NAME"
            )
        return known
    applied: dict[int, str] = {row[0]: row[1] for row in await connection.fetch(address.sql(_APPLIED))}
    return missing(known, applied, f"at {address.shown}")
