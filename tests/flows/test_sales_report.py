from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine import Engine, PermanentError, RunFailed, on_schedule
from flows.sales_report import SALES, Report, sales_report
from tests.support.command import ROOT, Headrace

DAY = date(2015, 7, 31)
HEADER = "city,year,month,sales,volume\n"


def expected_totals() -> dict[str, tuple[int, int]]:
    """Units and revenue by city, added up without the flow."""
    totals: dict[str, tuple[int, int]] = {}
    with SALES.open(newline="") as file:
        for row in csv.DictReader(file):
            if "NA" not in (row["sales"], row["volume"]):
                units, revenue = totals.get(row["city"], (0, 0))
                totals[row["city"]] = (
                    units + int(row["sales"]),
                    revenue + int(float(row["volume"])),
                )  # a few are "1.6e+07"
    return totals


def stored_totals(database: Path) -> dict[str, tuple[int, int]]:
    with closing(sqlite3.connect(database)) as db:
        rows = db.execute("SELECT category, units, revenue FROM sales_report WHERE day = ?", [DAY.isoformat()])
        return {category: (units, revenue) for category, units, revenue in rows}


def assert_published(report: Report, out: Path) -> None:
    """The result, the table and the CSV hold the numbers that were computed without the flow."""
    expected = expected_totals()
    assert {total.category: (total.units, int(total.revenue)) for total in report.totals} == expected
    assert [total.revenue for total in report.totals] == sorted(
        (total.revenue for total in report.totals), reverse=True
    )
    assert report.units == sum(units for units, _ in expected.values()) == 4_415_202
    assert report.revenue == sum(revenue for _, revenue in expected.values()) == Decimal(858_502_159_353)
    assert (report.rows, report.bad_rows) == (8_602, 568)
    assert stored_totals(out / "sales.db") == expected
    assert published(out) == expected


def published(out: Path) -> dict[str, tuple[int, int]]:
    with (out / f"{DAY}-report.csv").open(newline="") as file:
        return {row["category"]: (int(row["units"]), int(row["revenue"])) for row in csv.DictReader(file)}


def a_file_of(folder: Path, lines: Iterable[str]) -> Path:
    path = folder / "sales.csv"
    path.write_text("".join(lines))
    return path


def real_rows(count: int) -> list[str]:
    with SALES.open() as file:
        next(file)
        return [next(file) for _ in range(count)]


async def test_adds_up_the_real_sales(tmp_path: Path) -> None:
    report = await sales_report(out=tmp_path, day=DAY)

    assert_published(report, tmp_path)


async def test_sets_bad_rows_aside_with_line_and_reason(tmp_path: Path) -> None:
    report = await sales_report(out=tmp_path, day=DAY)

    lines = SALES.read_text().splitlines()
    assert report.quarantine is not None
    with report.quarantine.open(newline="") as file:
        bad = list(csv.DictReader(file))
    assert len(bad) == 568
    for row in bad:
        assert lines[int(row["line"]) - 1] == row["text"]
        assert "NA" in row["text"]
        assert "sales: Input should be a valid integer" in row["reason"]
    assert "568 of 8602 rows" in (tmp_path / "logs" / "sales_report.log").read_text()


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        ("Abilene,2000,13,72,5380000\n", "month: Input should be less than or equal to 12"),
        ("Abilene,2000,1,-72,5380000\n", "sales: Input should be greater than or equal to 0"),
        ("Abilene,2000,1,72,inf\n", "volume: Input should be a finite number"),
        (",2000,1,72,5380000\n", "city: String should have at least 1 character"),
        ("Abilene,2000,1,72\n", "shorter"),
        ("Abilene,2000,1,72,5380000,9\n", "longer"),
        ('"Abilene,2000,1,72,5380000\n', "unexpected end of data"),
        ("\x00\n", "shorter"),
    ],
)
async def test_one_bad_row_spoils_itself_only(tmp_path: Path, damaged: str, reason: str) -> None:
    sales = a_file_of(tmp_path, [HEADER, *real_rows(9), damaged, *real_rows(9)])

    report = await sales_report(sales, out=tmp_path, day=DAY)

    assert (report.rows, report.bad_rows) == (19, 1)
    assert report.quarantine is not None
    with report.quarantine.open(newline="") as file:
        (bad,) = csv.DictReader(file)
    assert bad["line"] == "11"
    assert reason in bad["reason"]


async def test_too_many_bad_rows_stop_the_report(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"568 of 8602 rows .* more than the 5%"):
        await sales_report(out=tmp_path, day=DAY, max_bad=0.05)

    assert not (tmp_path / f"{DAY}-report.csv").exists()
    assert len((tmp_path / f"{DAY}-quarantine.csv").read_text().splitlines()) == 569
    assert "ERROR" in (tmp_path / "logs" / "sales_report.log").read_text()


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    sales = tmp_path / "nothing.csv"

    with pytest.raises(PermanentError, match=f"{sales} cannot be read: No such file or directory"):
        await sales_report(sales, out=tmp_path, day=DAY)

    log = (tmp_path / "logs" / "sales_report.log").read_text()
    assert "ERROR" in log
    assert str(sales) in log
    assert not (tmp_path / "sales.db").exists()


@pytest.mark.parametrize("content", ["", HEADER, HEADER + "\n\n"])
async def test_an_empty_file_is_a_report_without_rows(tmp_path: Path, content: str) -> None:
    report = await sales_report(a_file_of(tmp_path, [content]), out=tmp_path, day=DAY)

    assert (report.rows, report.bad_rows, report.units, report.totals) == (0, 0, 0, [])
    assert (tmp_path / f"{DAY}-report.csv").read_text().splitlines() == ["category,units,revenue"]
    log = (tmp_path / "logs" / "sales_report.log").read_text()
    assert "WARNING" in log
    assert "is empty" in log


async def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="has no column sales, volume; it has city,year,month".replace(",", ", ?")):
        await sales_report(a_file_of(tmp_path, ["city,year,month\n"]), out=tmp_path, day=DAY)


async def test_a_second_report_of_a_day_takes_the_place_of_the_first(tmp_path: Path) -> None:
    await sales_report(a_file_of(tmp_path, [HEADER, *real_rows(5)]), out=tmp_path, day=DAY)
    await sales_report(out=tmp_path, day=DAY)

    assert stored_totals(tmp_path / "sales.db") == expected_totals()


async def test_is_due_at_eight_every_morning_for_the_day_in_texas(tmp_path: Path) -> None:
    assert sales_report.options.on == (on_schedule("0 8 * * *", timezone="America/Chicago"),)

    texas = ZoneInfo("America/Chicago")
    before, report, after = datetime.now(texas), await sales_report(out=tmp_path), datetime.now(texas)
    assert before.date() <= report.day <= after.date()


async def test_runs_in_an_engine(tmp_path: Path) -> None:
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[sales_report]) as engine:
        run = await engine.start(sales_report.bind(out=tmp_path, day=DAY))

        assert_published(await run.result(), tmp_path)


async def test_a_failed_run_says_which_file_is_missing(tmp_path: Path) -> None:
    sales = tmp_path / "nothing.csv"
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[sales_report]) as engine:
        run = await engine.start(sales_report.bind(sales, out=tmp_path))

        with pytest.raises(RunFailed, match=str(sales)):
            await run.result()


def test_goes_on_after_a_kill_between_reading_and_storing(headrace: Headrace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    sales = a_file_of(tmp_path, SALES.read_text())
    command = ["run", ROOT / "flows" / "sales_report.py", f"sales={sales}", f"out={out}", f"day={DAY}"]

    # Somebody else's lock on the table stops the run exactly where we want to kill it.
    with closing(sqlite3.connect(out / "sales.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        headrace.kill_when(headrace.start(*command), lambda: headrace.recorded()["add_up"] == 1)
    sales.unlink()  # whoever reads it a second time fails
    headrace.run(*command)

    assert stored_totals(out / "sales.db") == published(out) == expected_totals()
    assert headrace.recorded() == Counter(add_up=1, store=1, publish=1)
    log = (out / "logs" / "sales_report.log").read_text()
    assert [log.count(line) for line in ("read 8602 rows", "stored 46 categories", "wrote ")] == [1, 1, 1]
