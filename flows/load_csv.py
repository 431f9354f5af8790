"""Every morning: yesterday's weather is downloaded as CSV, cleaned, and loaded into a database.

    headrace run flows/load_csv.py first=2013-01-15 last=2013-02-14
    headrace run flows/load_csv.py source=https://example.org/weather/ first=2013-01-15
    headrace run flows/load_csv.py source=s3://bucket/weather/ first=2013-01-15

Loading a day twice leaves the table as it was. The weather that comes with it is that of New York: see data/README.md.
"""

from __future__ import annotations

import asyncio
import csv
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import httpx
import obstore
from obstore.exceptions import BaseError, GenericError
from obstore.store import from_url
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from engine import PermanentError, Pool, Retry, RetryLater, current, flow, on_schedule, task

ZONE = "America/New_York"
SOURCE = (Path(__file__).parent / "data" / "weather").as_uri()


def known(text: object) -> object:
    """None for what the source writes when it does not know."""
    return None if text in ("NA", "") else text


def credible(wind: float | None) -> float | None:
    """None for a wind stronger than any ever measured (253 mph): the sensor was wrong."""
    return None if wind is None or wind > 253 else wind


Reading = Annotated[float | None, BeforeValidator(known)]
Wind = Annotated[Reading, AfterValidator(credible)]


class Hour(BaseModel, frozen=True):
    """The weather at one airport at one time. `origin` and `time_hour` say which: they are the key of the table."""

    origin: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    time_hour: Annotated[datetime, AfterValidator(lambda time: time.astimezone(UTC))]
    temp: Reading
    humid: Reading
    wind_dir: Reading
    wind_speed: Wind
    wind_gust: Wind
    precip: Reading
    pressure: Reading
    visib: Reading


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is in the database now for the days of a run."""

    days: int
    rows: int
    nulls: int


@flow(on=on_schedule("30 6 * * *", timezone=ZONE))
async def load_csv(
    source: str = SOURCE,
    first: date | None = None,
    last: date | None = None,
    database: Path = Path("out/weather.db"),
) -> Loaded:
    """Load the days from `first` to `last`, or the one before the schedule's, from `<source>/<day>.csv`."""
    first = first or current().scheduled_for.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=1)
    last = last or first
    if last < first:
        raise PermanentError(f"there is no day from first={first} to last={last}")
    async with asyncio.TaskGroup() as group:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        loads = [group.create_task(load_day(source, day, database)) for day in days]
    done = [load.result() for load in loads]
    return Loaded(days=len(done), rows=sum(day.rows for day in done), nulls=sum(day.nulls for day in done))


async def load_day(source: str, day: date, database: Path) -> Loaded:
    text = await download(source, f"{day}.csv")
    hours = await clean(text, day)
    return await load(hours, day, database)


@task(
    retry=Retry(attempts=5, on=(httpx.TransportError, httpx.HTTPStatusError, GenericError)),
    timeout=timedelta(seconds=30),
    pool=Pool("weather-source", 4),
)
async def download(source: str, name: str) -> str:
    """The text of a file in an HTTP folder or an object store (s3://, gs://, az://, file://)."""
    if source.startswith(("http://", "https://")):
        return await get(f"{source.rstrip('/')}/{name}")
    try:
        folder = from_url(source)
    except (BaseError, ValueError) as error:
        raise PermanentError(
            f"{source} is no folder that can be read; give an http://, s3:// or file:// URL"
        ) from error
    try:
        found = await obstore.get_async(folder, name)
    except FileNotFoundError as error:
        raise PermanentError(f"there is no {name} in {source}") from error
    return bytes(await found.bytes_async()).decode(errors="replace")


async def get(url: str) -> str:
    async with httpx.AsyncClient(follow_redirects=True) as client:
        response = await client.get(url)
    match response.status_code:
        case 429 | 503 if (pause := response.headers.get("retry-after", "")).isdecimal():
            raise RetryLater(f"{url} asks for patience", after=timedelta(seconds=int(pause)))
        case status if 400 <= status < 500 and status not in (408, 429):
            raise PermanentError(f"{url} answered {status} {response.reason_phrase}: asking again will not help")
        case _:
            return response.raise_for_status().text


@task(pure=True)
def clean(text: str, day: date) -> list[Hour]:
    """The hours of a day in order: `NA` is None, times are UTC, and of two rows for one hour the last counts."""
    hours: dict[tuple[str, datetime], Hour] = {}
    for line, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            hour = Hour.model_validate(row)
        except ValidationError as error:
            problem = error.errors()[0]
            raise PermanentError(f"{day}.csv, line {line}: {problem['loc'][0]}: {problem['msg']}") from error
        if hour.time_hour.astimezone(ZoneInfo(ZONE)).date() != day:
            raise PermanentError(f"{day}.csv, line {line}: {hour.time_hour} is on another day")
        hours[hour.origin, hour.time_hour] = hour
    if not hours:
        current().logger.warning("%s.csv has no rows", day)
    return [hours[key] for key in sorted(hours)]


@task
def load(hours: Sequence[Hour], day: date, database: Path) -> Loaded:
    """Put the day in the place of what the table had for it, in one transaction."""
    rows = [hour.model_dump(mode="json") for hour in hours]
    columns = list(Hour.model_fields)
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, timeout=60)) as db, db:
        db.execute(f"CREATE TABLE IF NOT EXISTS weather (day, {', '.join(columns)}, PRIMARY KEY (origin, time_hour))")
        db.execute("DELETE FROM weather WHERE day = ?", [day.isoformat()])
        db.executemany(
            f"INSERT INTO weather VALUES (?{', ?' * len(columns)})",  # noqa: S608 - no part of it comes from outside
            [[day.isoformat(), *row.values()] for row in rows],
        )
    current().logger.info("%s: %d hours in %s", day, len(rows), database)
    return Loaded(days=1, rows=len(rows), nulls=sum(value is None for row in rows for value in row.values()))
