"""What delays a flight out of New York: the hour, the wind or the carrier? Each day of a month is a task.

    headrace run flows/demo.py

`make demo` runs this flow, kills it half way, resumes it, and shows that no task ran twice.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import dropwhile, groupby, takewhile
from pathlib import Path
from random import Random
from statistics import fmean, quantiles

from engine import PermanentError, current, flow, sleep, task

DATA = Path(__file__).parent / "data"
FIRST, LAST = date(2013, 1, 15), date(2013, 2, 14)


@dataclass(frozen=True, slots=True)
class Group:
    """Departures that share an hour, a wind or a carrier (`kind`). `minutes` is the delay of all of them together."""

    kind: str
    name: str
    departures: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Day:
    """The flights of a day: how many, how late on average (minutes), between which limits at 95 % confidence."""

    day: date
    flights: int
    cancelled: int
    delay: float
    low: float
    high: float
    groups: list[Group]


@dataclass(frozen=True, slots=True)
class Answer:
    """How many flights the table is about, and where it is."""

    flights: int
    cancelled: int
    table: Path


@flow
async def demo(
    first: date = FIRST, last: date = LAST, out: Path = Path("out/demo"), ledger: Path | None = None
) -> Answer:
    """Digest the days from `first` to `last`, week by week, and make a table of them, `out/delays.txt`.

    Each task adds its key and process to the file `ledger`, so that anybody can count what ran how often.
    """
    if not FIRST <= first <= last <= LAST:
        raise PermanentError(f"the data goes from first={FIRST} to last={LAST}, not from {first} to {last}")
    days: list[Day] = []
    for week in weeks(first, last):
        days += await digest.map(week, concurrency=2, fixed={"ledger": ledger})
        await sleep(timedelta(seconds=1))  # recorded: a run that is resumed does not wait again for what has passed
    await publish(days, out / "delays.txt")
    return Answer(sum(day.flights for day in days), sum(day.cancelled for day in days), out / "delays.txt")


@task
def digest(day: date, ledger: Path | None) -> Day:
    wind = wind_on(day)
    delays: list[int] = []
    groups: dict[tuple[str, str], list[int]] = {}
    cancelled = 0
    for flight in flights_on(day):
        if flight["dep_delay"] == "NA":
            cancelled += 1
            continue
        delay = int(flight["dep_delay"])
        delays.append(delay)
        for group in (
            ("hour", f"{int(flight['hour']) // 3 * 3:02}:00"),
            ("wind", wind.get((flight["origin"], flight["time_hour"]), "unknown")),
            ("carrier", flight["carrier"]),
        ):
            groups.setdefault(group, []).append(delay)
    low, high = confidence(delays, Random(day.toordinal()))
    result = Day(
        day=day,
        flights=cancelled + len(delays),
        cancelled=cancelled,
        delay=round(fmean(delays), 2),
        low=round(low, 2),
        high=round(high, 2),
        groups=[Group(kind, name, len(some), sum(some)) for (kind, name), some in sorted(groups.items())],
    )
    note(ledger)
    return result


@task
def publish(days: Sequence[Day], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in table(days)), encoding="utf-8")


def weeks(first: date, last: date) -> list[list[date]]:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [days[n : n + 7] for n in range(0, len(days), 7)]


def flights_on(day: date) -> Iterator[dict[str, str]]:
    """The flights of a day, out of the log of all days, which is in order of day."""

    def day_of(row: dict[str, str]) -> date:
        return date(int(row["year"]), int(row["month"]), int(row["day"]))

    with gzip.open(DATA / "flights.csv.gz", "rt", encoding="utf-8", newline="") as log:
        later = dropwhile(lambda row: day_of(row) < day, csv.DictReader(log))
        yield from takewhile(lambda row: day_of(row) == day, later)


def wind_on(day: date) -> dict[tuple[str, str], str]:
    """How hard the wind blew at each airport and hour (UTC)."""
    with (DATA / "weather" / f"{day}.csv").open(encoding="utf-8", newline="") as hours:
        return {
            (hour["origin"], hour["time_hour"]): force(float(hour["wind_speed"]))
            for hour in csv.DictReader(hours)
            if hour["wind_speed"] != "NA"
        }


def force(mph: float) -> str:
    return "below 10 mph" if mph < 10 else "10 to 20 mph" if mph < 20 else "above 20 mph"


def confidence(delays: Sequence[int], dice: Random, resamples: int = 4_000) -> tuple[float, float]:
    """The limits of the mean at 95 % confidence, by bootstrap: delays are too lopsided for the textbook formula."""
    means = [sum(dice.choices(delays, k=len(delays))) / len(delays) for _ in range(resamples)]
    limits = quantiles(means, n=40)
    return limits[0], limits[-1]


def table(days: Sequence[Day]) -> Iterator[str]:
    flights, cancelled = sum(day.flights for day in days), sum(day.cancelled for day in days)
    yield f"New York, {days[0].day} to {days[-1].day}: {flights:,} flights, {cancelled:,} cancelled"
    yield "mean delay on departure, in minutes"
    with (DATA / "airlines.csv").open(encoding="utf-8", newline="") as airlines:
        names = {row["carrier"]: row["name"] for row in csv.DictReader(airlines)}
    for kind in ("hour", "wind", "carrier"):
        yield ""
        for group in merge(group for day in days for group in day.groups if group.kind == kind):
            delay = group.minutes / group.departures
            yield f"{kind:8}{names.get(group.name, group.name):30}{group.departures:>7,}{delay:>7.1f}  {bar(delay)}"
    yield ""
    for day in sorted(days, key=lambda day: day.delay, reverse=True)[:3]:
        yield f"worst   {day.day}  {day.delay:.1f}, with 95 % confidence between {day.low:.1f} and {day.high:.1f}"


def merge(groups: Iterable[Group]) -> Iterator[Group]:
    """One group for all of a name, in order of name; those too small to mean anything are left out."""

    def identity(group: Group) -> tuple[str, str]:
        return group.kind, group.name

    for (kind, name), some in groupby(sorted(groups, key=identity), key=identity):
        parts = list(some)
        departures = sum(part.departures for part in parts)
        if departures >= 100:
            yield Group(kind, name, departures, sum(part.minutes for part in parts))


def bar(delay: float) -> str:
    return "█" * max(0, round(delay))


def note(ledger: Path | None) -> None:
    """Add a line in one write, so that two tasks or a kill cannot mix or split lines."""
    if ledger is not None:
        with ledger.open("ab", buffering=0) as file:
            file.write(f"{current().key} {os.getpid()}\n".encode())
