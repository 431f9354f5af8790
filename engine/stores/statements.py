"""Statements: the SQL files of a store, and the fragments that several of them share."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include (\w+)\n", re.MULTILINE)


@cache
def read_statement(store: str, name: str) -> str:
    """The text of `queries/<name>.sql` of a store, the name of a package.

    A line `-- include kinds` in it stands for the text of `fragments/kinds.sql`, to the letter: parameters have the
    same names or numbers in all statements that include it.
    """
    folder = files(store)
    text = (folder / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: (folder / "fragments" / f"{line[1]}.sql").read_text(encoding="utf-8"), text)
