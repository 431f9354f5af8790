"""Address: where a database is, which schema in it is ours, and how to say so without its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from engine.model.errors import UsageError

LEASE: Final = timedelta(seconds=20)
SCHEMA: Final = "headrace"
_NAME_LIMIT = 63  # bytes of a name that PostgreSQL keeps


@dataclass(frozen=True, slots=True)
class Address:
    """`dsn` is what the driver gets, password included; `shown` is for people."""

    dsn: str = field(repr=False)
    shown: str
    schema: str
    lease: timedelta

    @classmethod
    def parse(cls, url: str, *, schema: str | None = None, lease: timedelta | None = None) -> Address:
        """Take a URL apart. `?schema=` and `?lease=` (seconds) are ours, every other parameter is the driver's.

        Raises UsageError.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise UsageError(f"{url!r} is no PostgreSQL URL: {error}") from error
        if parts.scheme not in ("postgresql", "postgres"):
            raise UsageError(f"a PostgreSQL store is named by postgresql://user@host/database, not by {parts.scheme}:")
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        ours = {name: value for name, value in pairs if name in ("schema", "lease")}
        query = urlencode([(name, value) for name, value in pairs if name not in ours])
        name = schema or ours.get("schema") or SCHEMA
        if len(name.encode()) > _NAME_LIMIT or not name.isprintable() or name.startswith("pg_"):
            raise UsageError(f"{name!r} cannot be the name of a schema; use up to {_NAME_LIMIT} printable characters")
        place = parts.netloc.rpartition("@")[2] or "the default host"
        return cls(
            dsn=urlunsplit(parts._replace(query=query)),
            shown=f"{place}/{parts.path.removeprefix('/')}".rstrip("/"),
            schema=name,
            lease=lease or _seconds(ours.get("lease")),
        )

    def sql(self, text: str) -> str:
        """A statement for this schema. Statements name it themselves, so that no connection has to remember it."""
        return text if self.schema == SCHEMA else _moved(text, self.schema)


@lru_cache(1024)
def _moved(text: str, schema: str) -> str:
    return text.replace(f"{SCHEMA}.", f"{quoted(schema)}.")


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever characters it has."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _seconds(text: str | None) -> timedelta:
    if text is None:
        return LEASE
    try:
        lease = timedelta(seconds=float(text))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"lease={text!r} is not a number of seconds") from error
    return lease
