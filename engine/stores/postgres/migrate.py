"""Migrations: brings a schema to this version's tables, in one transaction, or says why it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from engine.model.errors import StoreCorrupt, StoreTooNew
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


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file. It is never edited once released: `checksum` is kept in the database."""

    version: int
    name: str
    sql: str
    checksum: str


@cache
def migrations() -> Sequence[Migration]:
    """All migrations, oldest first."""
    folder = files("engine.stores.postgres") / "migrations"
    texts = {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql")}
    return [
        Migration(int(name[:4]), name[5:-4], sql, hashlib.sha256(sql.encode()).hexdigest())
        for name, sql in sorted(texts.items())
    ]


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
        missing = await _missing(connection, address)
        if missing and missing[0].version == 1:
            await _lay_out(connection, address)
        for migration in missing:
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
    newest = max(applied, default=0)
    if newest > known[-1].version:
        raise StoreTooNew(
            f"the store at {address.shown} has schema version {newest}; this Headrace knows up to "
            f"{known[-1].version}. Upgrade Headrace, or use the version that wrote the store"
        )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise StoreCorrupt(
                f"the store at {address.shown} was made by a changed build: migration {migration.version} "
                f"({migration.name}) differs from the one it was made with. Use the build that wrote it, or a new store"
            )
    return [migration for migration in known if migration.version not in applied]
