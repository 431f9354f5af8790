"""Opening the store of a command, and finding runs in it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer

from engine.cli.exits import Exit
from engine.client import Client
from engine.model.errors import UnknownRun, UsageError
from engine.model.run import RunRecord
from engine.wiring import Durability, default_store, open_blobs, open_store, sqlite_path

T = TypeVar("T")

NEAR = 500
"""The newest runs among which an id that is not known is looked for."""


class NoStoreYet(UsageError):
    """Nothing has been run here."""


@asynccontextmanager
async def client(
    url: str | None, *, durability: Durability = "process", create: bool = False
) -> AsyncGenerator[Client]:
    """A client of the store. Raises NoStoreYet rather than make an empty one, unless asked to `create` it."""
    where = url or default_store()
    if where.startswith("memory:"):
        raise UsageError(
            "memory:// lives and dies with one process: only `run` can use it; give --store sqlite:///FILE"
        )
    if not create and (file := file_of(where)) is not None and not file.exists():
        raise NoStoreYet(f"there is no store at {file}: nothing has been run there yet")
    store = open_store(where, durability)
    await store.open()
    try:
        yield Client(store, open_blobs(where))
    finally:
        await store.close()


def file_of(url: str) -> Path | None:
    """The file of an SQLite store."""
    return sqlite_path(url.removeprefix("sqlite://")) if url.startswith("sqlite://") else None


async def find(of: Client, run_id: str) -> RunRecord:
    """A run by its id. Raises UnknownRun with ids that look like it."""
    record = await of.store.find(run_id)
    if record is not None:
        return record
    known = [run.id for run in await of.store.list_runs(limit=NEAR)]
    near = [name for name in known if name.startswith(run_id)] or difflib.get_close_matches(run_id, known, 3)
    hint = f"did you mean {' or '.join(near[:3])}?" if near else "`headrace runs` lists those there are"
    raise UnknownRun(f"there is no run {run_id!r} in {place(of)}; {hint}")


def place(of: Client) -> str:
    """Where the store is, without its durability."""
    return of.store.description.partition(", durability")[0]


def go(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; Ctrl-C ends it."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
