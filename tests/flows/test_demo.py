from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean

import pytest

from engine import Engine, PermanentError
from flows.demo import Answer, Day, demo, digest
from tests.support.command import ROOT

Flights = dict[date, list[dict[str, str]]]

FIRST = date(2013, 1, 15)
DAYS = [FIRST + timedelta(days=n) for n in range(3)]


def expected_rows(flights: Flights, days: list[date]) -> dict[str, tuple[int, float]]:
    """Departures and mean delay as the table has them, by hour, wind and name of the carrier, without the flow."""
    with (ROOT / "flows" / "data" / "airlines.csv").open(newline="") as file:
        names = {row["carrier"]: row["name"] for row in csv.DictReader(file)}
    delays: dict[str, list[int]] = defaultdict(list)
    for day in days:
        with (ROOT / "flows" / "data" / "weather" / f"{day}.csv").open(newline="") as file:
            speeds = {(row["origin"], row["time_hour"]): row["wind_speed"] for row in csv.DictReader(file)}
        for flight in flights[day]:
            if flight["dep_delay"] != "NA":
                speed = speeds[flight["origin"], flight["time_hour"]]
                wind = "below 10 mph" if float(speed) < 10 else "10 to 20 mph" if float(speed) < 20 else "above 20 mph"
                for name in (names[flight["carrier"]], wind, f"{int(flight['hour']) // 3 * 3:02}:00"):
                    delays[name].append(int(flight["dep_delay"]))
    return {name: (len(some), round(fmean(some), 1)) for name, some in delays.items() if len(some) >= 100}


def shown_rows(lines: list[str]) -> dict[str, tuple[int, float]]:
    found = [re.match(r"(?:hour|wind|carrier) +(\S.*?) {2,}([\d,]+) +(-?[\d.]+)", line) for line in lines]
    return {row[1].strip(): (int(row[2].replace(",", "")), float(row[3])) for row in found if row}


async def test_the_table_holds_the_real_delays(tmp_path: Path, flights: Flights) -> None:
    answer = await demo(FIRST, DAYS[-1], out=tmp_path)

    lines = answer.table.read_text().splitlines()
    count = sum(len(flights[day]) for day in DAYS)
    cancelled = sum(row["dep_delay"] == "NA" for day in DAYS for row in flights[day])
    assert lines[0] == f"New York, 2013-01-15 to 2013-01-17: {count:,} flights, {cancelled} cancelled"
    assert shown_rows(lines) == expected_rows(flights, DAYS)
    assert answer == Answer(count, cancelled, tmp_path / "delays.txt")


async def test_a_day_is_digested_the_same_way_every_time(flights: Flights) -> None:
    first: Day = await digest(FIRST, None)

    assert first == await digest(FIRST, None)
    delays = [int(row["dep_delay"]) for row in flights[FIRST] if row["dep_delay"] != "NA"]
    assert first.delay == round(fmean(delays), 2)
    assert first.low < first.delay < first.high


async def test_days_outside_the_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="from first=2013-01-15 to last=2013-02-14, not from 2013-01-15 to 2014"):
        await demo(FIRST, date(2014, 1, 1), out=tmp_path)


async def test_runs_in_an_engine(tmp_path: Path, flights: Flights) -> None:
    ledger = tmp_path / "ledger"
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[demo]) as engine:
        run = await engine.start(demo.bind(FIRST, DAYS[-1], out=tmp_path, ledger=ledger))

        answer = await run.result()

    assert shown_rows(answer.table.read_text().splitlines()) == expected_rows(flights, DAYS)
    assert len({line.split()[0] for line in ledger.read_text().splitlines()}) == 3


@pytest.mark.slow
def test_the_demo_kills_and_resumes_itself(tmp_path: Path, flights: Flights) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py", tmp_path],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "no recorded task ran twice" in done.stdout
    assert shown_rows(done.stdout.splitlines()) == expected_rows(flights, list(flights))
