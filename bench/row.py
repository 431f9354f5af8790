"""One line of the table: a claim, what was measured for it, what it is held against, and whether it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure.

    `prototype` is a folder with another floor to be held against, for those who have one; `history` is how many
    finished runs the benchmark of history on PostgreSQL makes, where that is not to be its own number.
    """

    pairs: int = 20
    quick: bool = False
    prototype: str | None = None
    history: int | None = None

    def size(self, full: int, quick: int) -> int:
        """The size of a benchmark: smaller when somebody only wants to see that it works."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`ratio` is ours over the floor's, paired where there are pairs, so that a machine that changes speed cancels out.

    `holds` is None for a line that only informs. `details` go to the results file.
    """

    bench: str
    claim: str
    ours: str
    beside: str = ""
    ratio: float | None = None
    target: str = ""
    holds: bool | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def verdict(self) -> str:
        """`pass`, `MISS`, or nothing."""
        return {True: "pass", False: "MISS", None: ""}[self.holds]


HEAD = ("", "Ours", "Beside", "Ratio", "Target", "")


def cells(row: Row) -> tuple[str, ...]:
    """A row as the texts of its columns."""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}" if row.ratio < 100 else f"{row.ratio:,.0f}"
    return (row.claim, row.ours, row.beside, ratio, row.target, row.verdict)


def table(rows: list[Row]) -> str:
    """A Markdown table, aligned so that it reads in a terminal as well."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = [_line(line, widths) for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def _line(line: tuple[str, ...], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
