"""Statements: the SQL of this store, one file each, read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of `queries/<name>.sql`; its tables stand in the schema `headrace`, see `Address.sql`."""
    return (files("engine.stores.postgres") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
