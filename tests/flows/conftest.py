"""The shipped data as plain rows, and the `headrace` command in a folder of its own."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.support.command import ROOT, Headrace

Row = dict[str, str]


@pytest.fixture
def headrace(tmp_path: Path) -> Iterator[Headrace]:
    command = Headrace(tmp_path)
    yield command
    command.close()


@pytest.fixture(scope="session")
def flights() -> dict[date, list[Row]]:
    """The flights of the log by day, the days in order."""
    days: dict[date, list[Row]] = {}
    with gzip.open(ROOT / "flows" / "data" / "flights.csv.gz", "rt", newline="") as log:
        for row in csv.DictReader(log):
            days.setdefault(date(int(row["year"]), int(row["month"]), int(row["day"])), []).append(row)
    return days
