"""Statements: the SQL of this store, one file each, read once."""

from __future__ import annotations

from engine.stores.statements import read_statement


def statement(name: str) -> str:
    """The text of `queries/<name>.sql`."""
    return read_statement("engine.stores.sqlite", name)
