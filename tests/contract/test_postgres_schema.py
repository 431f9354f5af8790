"""The tables: made once however many nodes come at once, whole or not at all."""

from __future__ import annotations

import asyncio

import pytest

from engine.model.errors import StoreError
from engine.stores.migrations import Migration
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.migrate import migrations
from tests.contract.conftest import opened, started
from tests.support.postgres import rows

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = $schema ORDER BY 1"
APPLIED = "SELECT version, name FROM headrace.migration ORDER BY version"
known = [*migrations()]


async def test_eight_programs_at_once_make_the_tables_once(url: str) -> None:
    programs = [await started("tests.contract.opener", url, f"run-{n}") for n in range(8)]
    for program in programs:
        assert program.stdout is not None
        assert await program.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(program.communicate(b"go\n") for program in programs))
    assert [out for out, _ in said] == [b"True\n"] * 8
    assert await rows(url, APPLIED) == [(m.version, m.name) for m in known]
    async with opened(PostgresStore(url)) as store:
        assert len(await store.list_runs()) == 8


async def test_a_migration_that_fails_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [
        *known,
        Migration(len(known) + 1, "broken", "CREATE TABLE headrace.extra (x int); CREATE TABLE headrace.run ()", "0"),
    ]
    monkeypatch.setattr("engine.stores.postgres.migrate.migrations", lambda: broken)
    with pytest.raises(StoreError, match="run"):
        await PostgresStore(url).open()
    assert await rows(url, TABLES) == []


async def test_a_newer_headrace_migrates_an_older_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(PostgresStore(url)):
        pass
    number = len(known) + 1
    second = Migration(
        number, "extra", "CREATE TABLE headrace.extra (x int);\nCREATE INDEX ON headrace.extra (x);", "0"
    )
    monkeypatch.setattr("engine.stores.postgres.migrate.migrations", lambda: [*known, second])
    async with opened(PostgresStore(url)):
        pass
    assert ("extra",) in await rows(url, TABLES)
    assert await rows(url, APPLIED) == [*((m.version, m.name) for m in known), (number, "extra")]


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in known] == [*range(1, len(known) + 1)]
