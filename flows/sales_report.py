"""Every morning: a CSV of sales becomes revenue and units per category, as a SQLite table and as a CSV report.

    headrace run flows/sales_report.py
    headrace run flows/sales_report.py sales=yours.csv out=reports max_bad=0.02

The sales that come with it are homes sold in Texas, by city and month: see data/README.md.
"""

from __future__ import annotations

import csv
import logging
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, ValidationError

from engine import PermanentError, current, flow, on_schedule, task

ZONE = "America/Chicago"
SALES = Path(__file__).parent / "data" / "texas_home_sales.csv"


class Sale(BaseModel):
    """One row of the file: what was sold of a category in a month. The aliases are the columns."""

    category: str = Field(alias="city", min_length=1)
    year: int = Field(ge=1900, le=9999)
    month: int = Field(ge=1, le=12)
    units: int = Field(alias="sales", ge=0)
    revenue: Decimal = Field(alias="volume", ge=0)


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that is no sale."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Total:
    """All sales of one category."""

    category: str
    units: int
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """What the file said. `quarantine` holds its `bad_rows` bad rows, with the reason for each."""

    day: date
    totals: list[Total]
    rows: int
    bad_rows: int
    quarantine: Path | None
    units: int
    revenue: Decimal


@flow(on=on_schedule("0 8 * * *", timezone=ZONE))
async def sales_report(
    sales: Path = SALES, out: Path = Path("out/sales"), day: date | None = None, max_bad: float = 0.1
) -> Report:
    """Report on the file `sales` in the folder `out`; the day is the schedule's unless one is given.

    Bad rows are set aside and the rest is reported, unless they are more than `max_bad` of the file (0 to 1).
    """
    day = day or current().scheduled_for.astimezone(ZoneInfo(ZONE)).date()
    with log_file(out / "logs" / "sales_report.log"):
        report = await add_up(sales, day, out / f"{day}-quarantine.csv", max_bad)
        await store(report, out / "sales.db")
        await publish(report, out / f"{day}-report.csv")
    return report


@task
def add_up(sales: Path, day: date, quarantine: Path, max_bad: float) -> Report:
    log = current().logger
    totals: dict[str, Total] = {}
    bad: list[Bad] = []
    rows = 0
    try:
        for row in read(sales):
            rows += 1
            if isinstance(row, Bad):
                bad.append(row)
                continue
            so_far = totals.get(row.category, Total(row.category, 0, Decimal(0)))
            totals[row.category] = Total(row.category, so_far.units + row.units, so_far.revenue + row.revenue)
    except OSError as error:
        log.error("no report for %s: %s cannot be read: %s", day, sales, error.strerror)
        raise PermanentError(f"the sales file {sales.absolute()} cannot be read: {error.strerror}") from error

    if not rows:
        log.warning("%s is empty: the report for %s has no rows", sales, day)
    if bad:
        write_csv(quarantine, ["line", "reason", "text"], [[row.line, row.reason, row.text] for row in bad])
        log.warning("%d of %d rows of %s are bad and were set aside in %s", len(bad), rows, sales, quarantine)
    if len(bad) > max_bad * rows:
        log.error("no report for %s: more than %.0f %% of the rows are bad", day, 100 * max_bad)
        raise PermanentError(
            f"{len(bad)} of {rows} rows of {sales} are bad, more than the {max_bad:.0%} that are allowed; "
            f"each is in {quarantine} with its reason. Mend the file, or allow more with max_bad="
        )
    log.info("read %d rows of %s: %d categories", rows, sales, len(totals))
    ordered = sorted(totals.values(), key=lambda total: (-total.revenue, total.category))
    return Report(
        day=day,
        totals=ordered,
        rows=rows,
        bad_rows=len(bad),
        quarantine=quarantine if bad else None,
        units=sum(total.units for total in ordered),
        revenue=sum((total.revenue for total in ordered), Decimal(0)),
    )


@task
def store(report: Report, database: Path) -> None:
    """Put the report in the place of an earlier one for the same day: running twice changes nothing."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, timeout=60)) as db, db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS sales_report"
            " (day TEXT, category TEXT, units INTEGER, revenue NUMERIC, PRIMARY KEY (day, category))"
        )
        db.execute("DELETE FROM sales_report WHERE day = ?", [report.day.isoformat()])
        db.executemany(
            "INSERT INTO sales_report VALUES (?, ?, ?, ?)",
            [[report.day.isoformat(), total.category, total.units, str(total.revenue)] for total in report.totals],
        )
    current().logger.info("stored %d categories for %s in %s", len(report.totals), report.day, database)


@task
def publish(report: Report, path: Path) -> None:
    write_csv(path, ["category", "units", "revenue"], [[t.category, t.units, t.revenue] for t in report.totals])
    current().logger.info("wrote %s: %d units, revenue %s", path, report.units, report.revenue)


def read(sales: Path) -> Iterator[Sale | Bad]:
    """The rows of the file, good and bad. Raises OSError, and PermanentError when it has not the columns of sales.

    A row is a line, so that a quote which is never closed spoils one row and does not swallow the rest of the file.
    """
    with sales.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader([file.readline()]), list[str]())
        missing = {field.alias or name for name, field in Sale.model_fields.items()} - set(header)
        if header and missing:
            raise PermanentError(f"{sales} has no column {', '.join(sorted(missing))}; it has {', '.join(header)}")
        for number, line in enumerate(file, start=2):
            text = line.rstrip("\r\n")
            if not text:
                continue
            try:
                fields = next(csv.reader([text], strict=True))
                yield Sale.model_validate(dict(zip(header, fields, strict=True)))
            except ValidationError as error:
                reasons = [f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors()]
                yield Bad(number, "; ".join(reasons), text)
            except (csv.Error, ValueError) as error:  # a quote that is not closed; more or fewer fields than columns
                yield Bad(number, str(error), text)


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    draft.replace(path)


@contextmanager
def log_file(path: Path) -> Generator[None]:
    """Keep what this run logs in a file as well. Opening it is no effect to remember: every replay does so."""
    run_id, logger = current().run_id, current().logger.logger
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(process)d %(message)s"))
    handler.addFilter(lambda record: getattr(record, "run_id", None) == run_id)
    logger.addHandler(handler)
    logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
