"""A store of the schema before limits goes on: its runs keep their order, and what they do not say is as usual."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.model.limits import AGEING, NORMAL
from engine.model.run import RunState
from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.migrate import migrations as postgres_migrations
from engine.stores.sqlite import SQLiteStore
from engine.stores.sqlite.connect import connect
from engine.stores.sqlite.migrate import migrate
from engine.stores.sqlite.migrate import migrations as sqlite_migrations
from tests.contract.conftest import opened
from tests.contract.harness import new_run, node
from tests.support import postgres

COLUMNS = "state, due, owner, ended, id, flow, version, fingerprint, python, created, trace, span, sampled, parent_span"
ROWS = [
    ("queued", "0", "NULL", "NULL", "queued", 300),
    ("waiting", "400", "NULL", "NULL", "asleep", 100),
    ("waiting", "NULL", "NULL", "NULL", "listening", 100),
    ("running", "NULL", "'gone'", "NULL", "running", 200),
    ("diverged", "NULL", "NULL", "250", "diverged", 50),
    ("succeeded", "NULL", "NULL", "250", "done", 50),
]
NORMALLY = NORMAL * AGEING


def _values(true: str, tags: str) -> str:
    return ", ".join(
        f"('{state}', {due}, {owner}, {ended}, '{run_id}', 'f', '1', '', '', {created}, '', 1, {true}, 0, '', "
        f"{tags}, '{{}}')"
        for state, due, owner, ended, run_id, created in ROWS
    )


async def _check(store: Store) -> None:
    ranks = {run.id: run.rank for run in await store.list_runs()}
    assert ranks == {
        "queued": 300 - NORMALLY,
        "asleep": 400 - NORMALLY,
        "listening": 100 - NORMALLY,
        "running": 200 - NORMALLY,
        "diverged": 50 - NORMALLY,
        "done": 0,
    }
    await store.join(node())
    await store.create(new_run("new", created=350, rank=350 - NORMALLY))
    taken = await store.claim("node", now=500, limit=9, flows=["f"])
    assert [run.id for run in taken] == ["queued", "new", "asleep"]
    assert {(run.priority, run.queue, run.requires, run.lane, run.held) for run in taken} == {
        (NORMAL, "default", (), None, False)
    }
    assert (await store.requeue("diverged", now=500)).state is RunState.QUEUED


async def test_sqlite(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [*sqlite_migrations()][:1]
    with monkeypatch.context() as before, closing(connect(path, "process", patience=1)) as connection:
        before.setattr("engine.stores.sqlite.migrate.migrations", lambda: first)
        migrate(connection, path)
        rows = _values("1", "'[]'").replace("'{}')", "x'7b7d')")
        connection.execute(f"INSERT INTO run ({COLUMNS}, origin, tags, params) VALUES {rows}")
        with pytest.raises(sqlite3.OperationalError, match="rank"):
            connection.execute("SELECT rank FROM run")
    async with opened(SQLiteStore(path)) as store:
        await _check(store)


async def test_postgres(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [*postgres_migrations()][:1]
    with monkeypatch.context() as before:
        before.setattr("engine.stores.postgres.migrate.migrations", lambda: first)
        async with opened(PostgresStore(url)):
            rows = _values("true", "'{}'")
            await postgres.execute(url, f"INSERT INTO headrace.run ({COLUMNS}, origin, tags, params) VALUES {rows}")
            await postgres.execute(
                url,
                "INSERT INTO headrace.node VALUES "
                "('gone', 1, 'h', 1, '{f}', 't', clock_timestamp(), clock_timestamp() + interval '1 h')",
            )
    async with opened(PostgresStore(url)) as store:
        await _check(store)
        assert [(known.id, known.queues, known.tags) for known in await store.nodes()] == [
            ("gone", None, ()),
            ("node", None, ()),
        ]
