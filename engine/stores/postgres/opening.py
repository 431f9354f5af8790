"""Opening: the first connection looks at the server, makes the tables, and finds out what stands in between."""

from __future__ import annotations

from dataclasses import replace

from engine.stores.postgres.connect import Connection, Door, is_pooled, refuse_old
from engine.stores.postgres.database import Database, Patience, goodbye
from engine.stores.postgres.errors import code_of, is_theirs, store_error
from engine.stores.postgres.migrate import migrate

STARTING_UP = "57P03"


async def open_database(door: Door) -> Database:
    """Connect, migrate, check. Raises StoreError with the way out; nothing is half written."""
    # As if behind a pooler, until it is known that none is there.
    careful = replace(door, pooled=True)
    try:
        connection = await _first(careful)
        try:
            refuse_old(connection.get_server_version(), door.address.shown)
            pooled = await is_pooled(connection)
            await migrate(connection, careful)
        finally:
            await goodbye(connection)
        door = replace(door, pooled=pooled)
        return Database(door, await door.connect())
    except Exception as error:
        if not is_theirs(error):
            raise
        raise store_error(error, door.address) from error


async def _first(door: Door) -> Connection:
    patience = Patience(door.patience)
    while True:
        try:
            return await door.connect()
        except Exception as error:
            # A server that is coming up is worth waiting for; one that is not there is more likely a wrong address.
            if code_of(error) != STARTING_UP or patience.over:
                raise
        await patience.pause()
