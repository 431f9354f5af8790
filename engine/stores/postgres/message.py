"""Messages: statements that go to the server together and are one transaction, which waits for no client in between."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Final, TypeAlias, cast
from weakref import WeakKeyDictionary

from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.database import transaction

CAREFULLY: Final = """\
SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
SET LOCAL synchronous_commit = on"""
"""What a message needs where nothing is sure of the session."""

BRIEFLY: Final = "SET LOCAL lock_timeout = '200ms'"
"""A message waits for no lock for long: what waits stays in the server when its process is frozen or has given up, and
each of them would hold its locks for a while when its turn comes."""

_COMMENT = re.compile(r"--[^\n]*")
_PARAMETER = re.compile(r"\$(\d+)")


Statement: TypeAlias = tuple[str, Sequence[object]]
"""The text of a statement, and its parameters."""

_prepared: WeakKeyDictionary[Connection, dict[str, str]] = WeakKeyDictionary()
_number = count()


async def send(connection: Connection, door: Door, *statements: Statement, then: str = "") -> str:
    """Send statements as one message; answers the server's word for the last one.

    `then` may be what ends a transaction that is under way.

    The server takes a text of several statements as one transaction, and each of them sees what was committed until
    it began, so that counting after a lock is right. Parameters are written into the text, as such a text has none.
    Where the session is ours each statement is planned once; a pooler has a text planned as a whole each time.
    """
    texts = [door.address.sql(text) for text, _ in statements]
    if door.pooled:
        filled = (_filled(text, values) for text, (_, values) in zip(texts, statements, strict=True))
        return await connection.execute(";\n".join([CAREFULLY, BRIEFLY, *filled, then]))
    names = await _names(connection, texts)
    calls = (_call(names[text], values) for text, (_, values) in zip(texts, statements, strict=True))
    return await connection.execute(";\n".join([BRIEFLY, *calls, then]))


async def _names(connection: Connection, texts: Sequence[str]) -> Mapping[str, str]:
    """Under which names this session knows these statements; those it does not know are prepared."""
    names = _prepared.setdefault(connection, {})
    if new := {text: f"headrace_{next(_number)}" for text in texts if text not in names}:
        await connection.execute(";\n".join(f"PREPARE {name} AS {text}" for text, name in new.items()))
        names |= new
    return names


def _call(name: str, values: Sequence[object]) -> str:
    return f"EXECUTE {name} ({', '.join(map(literal, values))})" if values else f"EXECUTE {name}"


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
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    assert isinstance(value, str)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
