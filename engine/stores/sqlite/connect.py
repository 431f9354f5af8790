"""Connections: how this store opens its file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal, TypeAlias

Durability: TypeAlias = Literal["process", "power"]

LOOP_PATIENCE = 0.005
"""Seconds the loop's thread waits for another writer's lock: less than anybody notices."""

THREAD_PATIENCE = 30.0
"""Seconds a helper thread waits for it: longer than any transaction of ours takes."""

_SYNCHRONOUS: dict[Durability, str] = {"process": "NORMAL", "power": "FULL"}


def connect(path: Path, durability: Durability, *, patience: float) -> sqlite3.Connection:
    """Open the file, with autocommit and without automatic checkpoints (see `checkpoint.py`)."""
    connection = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=128
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except BaseException:
        connection.close()  # the file is not a database, as only the first statement finds out
        raise
    return connection


def roll_back(connection: sqlite3.Connection) -> None:
    """Leave nothing half written; SQLite itself has already rolled back after some errors."""
    if connection.in_transaction:
        connection.rollback()
