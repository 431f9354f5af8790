"""The server of these benchmarks: private, with `fsync` and `synchronous_commit` on, and schemas that come and go."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from engine.stores.postgres.address import Address
from tests.support.postgres import Server, execute, rows

DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "ssl": "off",
}
"""As a server is that people run: what it acknowledges is on the disk. Only its memory is not the default."""


@contextmanager
def durable_server() -> Generator[str, None, None]:
    """A server for as long as the block lasts; answers its URL. It is made from the programs that the tests use."""
    server = Server(**DURABLE)
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@contextmanager
def schema(url: str) -> Generator[str, None, None]:
    """The URL of a store of its own, gone afterwards."""
    name = f"bench_{secrets.token_hex(6)}"
    try:
        yield f"{url}&schema={name}"
    finally:
        do(url, f"DROP SCHEMA IF EXISTS {name} CASCADE")


def do(url: str, statement: str) -> None:
    """Run a statement."""
    asyncio.run(execute(url, statement))


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    """Read something; `headrace.` stands for the schema of the URL."""
    return asyncio.run(rows(url, query))


def schema_of(url: str) -> str:
    """The schema that a store's URL names."""
    return Address.parse(url).schema
