"""Messages: statements that go to the server together and are one transaction, which waits for no client in between."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, cast

from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.database import transaction

BEGIN: Final = """\
SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
SET LOCAL synchronous_commit = on;
SET LOCAL lock_timeout = '200ms'"""
"""It waits for no lock for long: what waits stays in the server when its process is frozen or has given up, and each
of them would hold its locks for a while when its turn comes."""

_COMMENT = re.compile(r"--[^\n]*")
_PARAMETER = re.compile(r"\$(\d+)")


def message(address: Address, *statements: tuple[str, Sequence[object]]) -> str:
    """The text of a message: each statement with its parameters. Of the rows of the last one their number is told.

    The server takes a text of several statements as one transaction, and each of them sees what was committed until
    it began, so that counting after a lock is right. Parameters are written into the text, as such a text has none.
    """
    return ";\n".join([BEGIN, *(_filled(address.sql(text), values) for text, values in statements)])


def rows_of(status: str) -> int:
    """The number of rows that a message's last statement had, from the server's word for it."""
    return int(status.rpartition(" ")[2])


@asynccontextmanager
async def apart(connection: Connection, door: Door) -> AsyncGenerator[None]:
    """Statements between messages: where a pooler stands in between, what the driver asks for must be a transaction."""
    if door.pooled:
        async with transaction(connection, door):
            yield
    else:
        yield


def _filled(text: str, values: Sequence[object]) -> str:
    return _PARAMETER.sub(lambda found: literal(values[int(found[1]) - 1]), _COMMENT.sub("", text).strip())


def literal(value: object) -> str:
    """A value as SQL text, whatever it holds; like a parameter, it has the type that its place wants.

    Raises ValueError for a zero character, which no column takes.
    """
    match value:
        case None:
            return "NULL"
        case int():
            return f"({value})"
        case str():
            if "\0" in value:
                raise ValueError(f"{value[:80]!r}: PostgreSQL's text holds no zero characters")
            escaped = value.replace("\\", "\\\\").replace("'", "''")
            return f"E'{escaped}'"
        case bytes():
            return literal(f"\\x{value.hex()}")
        case timedelta():
            return literal(f"{value.total_seconds()} s")
        case list():
            elements = cast("list[object]", value)
            return literal(f"{{{','.join(map(_element, elements))}}}")
        case _:
            raise TypeError(f"a message takes no {type(value).__name__}")


def _element(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, str)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
