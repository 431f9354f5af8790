from __future__ import annotations

import csv
import http.server
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import cast

import pytest

from engine import Engine, PermanentError, RunFailed
from flows.load_csv import Loaded, load_csv
from tests.support.command import ROOT, Headrace

WEATHER = ROOT / "flows" / "data" / "weather"
PLENTY = 1_000
FIRST, LAST = date(2013, 1, 15), date(2013, 2, 14)

Table = dict[tuple[str, str], tuple[str, float | None, float | None, float | None]]
"""Day, temperature, wind and gust by airport and hour."""


class Source(http.server.ThreadingHTTPServer):
    """The shipped weather over HTTP. Counts requests; `troubles` are answered first, once each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: Counter[str] = Counter()
        self.troubles: dict[str, list[HTTPStatus | None]] = {}
        self.answers = threading.Semaphore(PLENTY)
        """How many requests are still answered; the others are kept waiting."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weather"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        source = cast("Source", self.server)
        name = self.path.rsplit("/", 1)[-1]
        source.requests[name] += 1
        if source.troubles.get(name):
            trouble = source.troubles[name].pop(0)
            if trouble is not None:
                self.send_response(trouble)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "0")
                self.end_headers()
            self.close_connection = True  # and without an answer: the connection breaks
            return
        source.answers.acquire()
        path = WEATHER / name
        self.send_response(HTTPStatus.OK if path.exists() else HTTPStatus.NOT_FOUND)
        self.end_headers()
        if path.exists():
            self.wfile.write(path.read_bytes())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test prints what went wrong, not what went well."""


@pytest.fixture
def source() -> Iterator[Source]:
    with Source() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.answers.release(PLENTY)
        server.shutdown()
        thread.join()


def expected(first: date, last: date) -> Table:
    """The clean table, made without the flow."""

    def number(text: str) -> float | None:
        return None if text == "NA" or float(text) > 1_000 else float(text)

    table: Table = {}
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        with (WEATHER / f"{day}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                values = number(row["temp"]), number(row["wind_speed"]), number(row["wind_gust"])
                table[row["origin"], row["time_hour"]] = (day.isoformat(), *values)
    return table


def stored(database: Path) -> Table:
    with closing(sqlite3.connect(database)) as db:
        rows = db.execute("SELECT origin, time_hour, day, temp, wind_speed, wind_gust FROM weather").fetchall()
    table: Table = {(origin, hour): (day, temp, wind, gust) for origin, hour, day, temp, wind, gust in rows}
    assert len(table) == len(rows)
    return table


async def test_loads_the_files_it_comes_with(tmp_path: Path) -> None:
    database = tmp_path / "weather.db"

    loaded = await load_csv(first=FIRST, last=LAST, database=database)

    assert stored(database) == expected(FIRST, LAST)
    assert (loaded.days, loaded.rows) == (31, 31 * 24 * 3)


async def test_unknown_and_impossible_values_become_null(tmp_path: Path) -> None:
    day = date(2013, 2, 12)  # at 3 o'clock the anemometer of Newark showed 1048 mph
    database = tmp_path / "weather.db"

    loaded = await load_csv(first=day, database=database)

    text = (WEATHER / f"{day}.csv").read_text()
    columns = csv.DictReader(text.splitlines())
    kept = ["temp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    unknown = sum(row[column] == "NA" for row in columns for column in kept)
    assert loaded == Loaded(days=1, rows=72, nulls=unknown + 1)
    assert stored(database)["EWR", "2013-02-12T08:00:00Z"][2] is None


async def test_a_second_run_leaves_the_same_table(tmp_path: Path) -> None:
    database = tmp_path / "weather.db"

    first = await load_csv(first=FIRST, last=FIRST + timedelta(days=2), database=database)
    before = stored(database)
    second = await load_csv(first=FIRST + timedelta(days=1), last=FIRST + timedelta(days=2), database=database)

    assert stored(database) == before == expected(FIRST, FIRST + timedelta(days=2))
    assert (first.rows, second.rows) == (216, 144)


async def test_downloads_over_http(tmp_path: Path, source: Source) -> None:
    database = tmp_path / "weather.db"

    await load_csv(source.url, FIRST, LAST, database)

    assert stored(database) == expected(FIRST, LAST)
    assert set(source.requests.values()) == {1}


async def test_in_an_engine_trouble_on_the_way_is_retried(tmp_path: Path, source: Source) -> None:
    database = tmp_path / "weather.db"
    source.troubles = {
        "2013-01-15.csv": [None],
        "2013-01-16.csv": [HTTPStatus.BAD_GATEWAY],
        "2013-01-17.csv": [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE],
    }

    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[load_csv]) as engine:
        run = await engine.start(load_csv.bind(source.url, FIRST, FIRST + timedelta(days=3), database))
        loaded = await run.result()

    assert (loaded.days, loaded.rows) == (4, 288)
    assert stored(database) == expected(FIRST, FIRST + timedelta(days=3))
    assert source.requests == {"2013-01-15.csv": 2, "2013-01-16.csv": 2, "2013-01-17.csv": 3, "2013-01-18.csv": 1}


async def test_in_an_engine_a_file_that_is_not_there_is_asked_for_once(tmp_path: Path, source: Source) -> None:
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[load_csv]) as engine:
        run = await engine.start(load_csv.bind(source.url, date(2014, 1, 1), database=tmp_path / "weather.db"))
        with pytest.raises(RunFailed) as failed:
            await run.result()

    assert f"{source.url}/2014-01-01.csv answered 404 Not Found" in str(failed.value) + failed.value.traceback
    assert source.requests == {"2014-01-01.csv": 1}


async def test_without_days_it_loads_the_one_before_the_tick(tmp_path: Path, source: Source) -> None:
    with pytest.raises(ExceptionGroup):
        await load_csv(source.url, database=tmp_path / "weather.db")

    yesterday = datetime.now(UTC) - timedelta(days=1)
    near = {f"{(yesterday + timedelta(days=n)).date()}.csv" for n in (-1, 0)}  # New York is behind UTC
    assert set(source.requests) <= near


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("file:///nowhere/at/all", "is no folder that can be read"),
        ("weather", "is no folder that can be read"),
        ("ftp://example.org/weather", "is no folder that can be read"),
        (WEATHER.parent.as_uri(), "there is no 2013-01-15.csv"),
    ],
)
async def test_a_source_that_is_none_is_named(tmp_path: Path, address: str, complaint: str) -> None:
    with pytest.raises(ExceptionGroup) as failed:
        await load_csv(address, FIRST, database=tmp_path / "weather.db")

    assert failed.group_contains(PermanentError, match=complaint)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("2013-01-15T06:00:00Z", "tomorrow", r"2013-01-15.csv, line \d+: time_hour"),
        ("2013-01-15T06:00:00Z", "2013-01-17T06:00:00Z", r"line \d+: .* is on another day"),
        ("EWR,2013,1,15,1,", "EW\xff,2013,1,15,1,", r"line \d+: origin: String should match"),
        ("wind_speed", "speed", "line 2: wind_speed: Field required"),
    ],
)
async def test_a_file_that_makes_no_sense_loads_nothing(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = (WEATHER / "2013-01-15.csv").read_text()
    assert old in text
    (tmp_path / "2013-01-15.csv").write_text(text.replace(old, new), encoding="latin-1")

    with pytest.raises(ExceptionGroup) as failed:
        await load_csv(tmp_path.as_uri(), FIRST, database=tmp_path / "weather.db")

    assert failed.group_contains(PermanentError, match=complaint)
    assert not (tmp_path / "weather.db").exists()


async def test_days_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no day from first=2013-02-14 to last=2013-01-15"):
        await load_csv(first=LAST, last=FIRST, database=tmp_path / "weather.db")


def test_goes_on_after_a_kill_between_days(headrace: Headrace, tmp_path: Path, source: Source) -> None:
    database = tmp_path / "weather.db"
    command = ["run", ROOT / "flows" / "load_csv.py", f"source={source.url}", f"first={FIRST}", f"last={LAST}"]
    command += [f"database={database}"]

    source.answers = threading.Semaphore(11)
    headrace.kill_when(headrace.start(*command), lambda: headrace.recorded()["load"] == 11)
    before = headrace.recorded()
    source.answers.release(PLENTY)
    headrace.run(*command)

    assert before == Counter(download=11, clean=11, load=11)
    assert headrace.recorded() == Counter(download=31, clean=31, load=31)
    assert stored(database) == expected(FIRST, LAST)
    # Four downloads were under way: they alone were asked for again.
    assert sorted(source.requests.values()) == [1] * 27 + [2] * 4
