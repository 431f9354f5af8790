"""The SQL of the stores is all in use, and what several statements share stands once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.stores import postgres, sqlite
from engine.stores.statements import read_statement


@pytest.fixture(params=[sqlite, postgres], ids=["sqlite", "postgres"])
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param.__file__).parent


def _included(statement: Path) -> list[str]:
    return re.findall(r"-- include (\w+)", statement.read_text(encoding="utf-8"))


def test_every_statement_is_used(folder: Path) -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    unused = [file.stem for file in (folder / "queries").glob("*.sql") if f'"{file.stem}"' not in code]
    assert unused == []


def test_every_fragment_is_shared(folder: Path) -> None:
    included = [name for statement in (folder / "queries").glob("*.sql") for name in _included(statement)]
    unshared = [file.stem for file in (folder / "fragments").glob("*.sql") if included.count(file.stem) < 2]
    assert unshared == []


def test_a_fragment_stands_where_its_statement_names_it(folder: Path) -> None:
    for statement in (folder / "queries").glob("*.sql"):
        text = read_statement(f"engine.stores.{folder.name}", statement.stem)
        assert "-- include" not in text
        for name in _included(statement):
            assert (folder / "fragments" / f"{name}.sql").read_text(encoding="utf-8") in text
