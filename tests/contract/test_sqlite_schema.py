"""The tables: what the migrations make is what the snapshot beside this file shows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.stores.migrations import Migration
from engine.stores.sqlite.connect import connect
from engine.stores.sqlite.migrate import migrate, migrations

SNAPSHOT = Path(__file__).with_name("sqlite_schema.sql")


def _schema(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name"
        )
        return "".join(f"{sql};\n\n" for (sql,) in rows)


def _migrate(path: Path) -> None:
    with closing(connect(path, "process", patience=1)) as connection:
        migrate(connection, path)


def test_the_migrations_make_the_snapshot(path: Path) -> None:
    """After adding a migration: write what this test finds into the snapshot, and read the difference."""
    _migrate(path)
    assert _schema(path) == SNAPSHOT.read_text(encoding="utf-8")


def test_migrating_again_changes_nothing(path: Path) -> None:
    _migrate(path)
    before = path.read_bytes()
    _migrate(path)
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [
        *migrations(),
        Migration(len(migrations_now) + 1, "broken", "CREATE TABLE extra (x);\nCREATE TABLE run (x);\n", "0"),
    ]
    monkeypatch.setattr("engine.stores.sqlite.migrate.migrations", lambda: broken)
    with pytest.raises(sqlite3.OperationalError, match="run"):
        _migrate(path)
    assert _schema(path) == ""


def test_a_newer_headrace_migrates_an_older_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _migrate(path)
    number = len(migrations_now) + 1
    second = Migration(number, "extra", "CREATE TABLE extra (x); -- why\nCREATE INDEX extra_x ON extra (x);\n", "0")
    monkeypatch.setattr("engine.stores.sqlite.migrate.migrations", lambda: [*migrations_now, second])
    _migrate(path)
    assert "extra_x" in _schema(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version, name FROM schema ORDER BY version").fetchall() == [
            *((known.version, known.name) for known in migrations_now),
            (number, "extra"),
        ]


migrations_now = [*migrations()]


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in migrations()] == [*range(1, len(migrations()) + 1)]
