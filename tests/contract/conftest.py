"""The stores that the behaviour suite runs against, and how a node dies on each."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio

from engine.model.run import RunRecord
from engine.ports.store import Store
from engine.stores.memory import MemoryStore
from engine.stores.postgres import PostgresStore
from engine.stores.sqlite import SQLiteStore
from tests.contract import doomed
from tests.support import postgres

ROOT = Path(__file__).parents[2]

Kill: TypeAlias = Callable[..., Awaitable[None]]


@dataclass
class Place:
    """One place to keep runs: `another` opens it as another program would, `where` is what that program is told."""

    store: Store
    another: Callable[[], Store]
    where: str | Path | None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture(params=["memory", "sqlite-process", "sqlite-power", "postgres"])
def place(request: pytest.FixtureRequest, path: Path) -> Place:
    match request.param:
        case "memory":
            memory = MemoryStore()
            return Place(memory, lambda: memory, None)
        case "sqlite-process":
            return Place(SQLiteStore(path), lambda: SQLiteStore(path), path)
        case "postgres":
            url: str = request.getfixturevalue("url")
            return Place(PostgresStore(url), lambda: PostgresStore(url), url)
        case _:
            return Place(SQLiteStore(path, durability="power"), lambda: SQLiteStore(path, durability="power"), path)


@pytest_asyncio.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    """The store under test, open."""
    async with opened(place.store) as store:
        yield store


@pytest_asyncio.fixture
async def other(place: Place, store: Store) -> AsyncIterator[Store]:
    """The same runs, seen by another program."""
    async with opened(place.another()) as other:
        yield other


@pytest.fixture
def dies(place: Place, store: Store) -> Kill:
    """Let a node claim runs and then die without a word: by SIGKILL where there is a process to kill."""

    async def dies(name: str, *runs: RunRecord) -> None:
        nums = [run.num for run in runs]
        if isinstance(store, MemoryStore):
            await doomed.live(store, name, nums)
            store.lose(name)
            return
        child = await started("tests.contract.doomed", place.where, name, *nums)
        assert child.stdout is not None
        assert await child.stdout.readline() == b"alive\n"
        child.kill()
        await child.communicate()
        if isinstance(place.where, str):
            await postgres.let_expire(place.where, name)

    return dies


async def started(module: str, *arguments: object) -> asyncio.subprocess.Process:
    """Another program of this suite, as a process that can be spoken to."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *map(str, arguments)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def opened(store: Store) -> AsyncGenerator[Store]:
    """The store, open, and closed in the end."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()
