"""Migrations: the numbered files of a store, and which of them a database still lacks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from engine.model.errors import StoreCorrupt, StoreTooNew


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file. It is never edited once released: `checksum` is kept in the database."""

    version: int
    name: str
    sql: str
    checksum: str


def read_migrations(store: str) -> Sequence[Migration]:
    """All migrations of a store, the name of a package, oldest first."""
    folder = files(store) / "migrations"
    texts = {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql")}
    return [
        Migration(int(name[:4]), name[5:-4], sql, hashlib.sha256(sql.encode()).hexdigest())
        for name, sql in sorted(texts.items())
    ]


def missing(known: Sequence[Migration], applied: Mapping[int, str], where: str) -> Sequence[Migration]:
    """What is to be done on a database that notes these versions and checksums; `where` names it for people.

    Raises StoreTooNew, StoreCorrupt.
    """
    newest = max(applied, default=0)
    if newest > known[-1].version:
        raise StoreTooNew(
            f"the store {where} has schema version {newest}; this Headrace knows up to {known[-1].version}. "
            "Upgrade Headrace, or use the version that wrote the store"
        )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise StoreCorrupt(
                f"the store {where} was made by a changed build: migration {migration.version} ({migration.name}) "
                "differs from the one it was made with. Use the build that wrote it, or a new store"
            )
    return [migration for migration in known if migration.version not in applied]
