"""A large log is cut into the days it holds, each day is digested in parallel, and one summary is made of them all.

    headrace run flows/log_partitions.py
    headrace rerun RUN --failed        after mending the days that failed

A day that fails is kept as a dead letter and does not stop the others; then the quality check decides. The log that
comes with it is a month of flights that left New York: see data/README.md.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import TextIO

from engine import PermanentError, current, flow, task

LOG = Path(__file__).parent / "data" / "flights.csv.gz"


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of one day, as a file of their own."""

    day: date
    path: Path


@dataclass(frozen=True, slots=True)
class Digest:
    """What the rows of one day say. `delay` is the sum of minutes on departure; `late` flights had 15 or more."""

    day: date
    flights: int
    cancelled: int
    late: int
    delay: int
    bad_rows: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A day that could not be digested, and why."""

    partition: Partition
    error: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The days together. On `storms` more than a quarter of the flights were cancelled."""

    first: date
    last: date
    flights: int
    cancelled: int
    late: int
    mean_delay: float
    storms: list[date]
    bad_rows: int
    dead_letters: int


@flow
async def log_partitions(
    log: Path = LOG, out: Path = Path("out/flights"), max_failed: int = 0, max_bad: float = 0.01
) -> Summary:
    """Summarise `log`: one file in order of day, or a folder of `date=<day>.csv` files (.gz or not).

    A day fails when more than `max_bad` of its rows (0 to 1) are bad, and is left in `out/dead-letters`. The run fails
    when more than `max_failed` days did, or when days are missing in between.
    """
    partitions = await find(log, out / "partitions")
    results = await digest.map(partitions, concurrency=8, errors="collect", fixed={"max_bad": max_bad})
    failed = [
        DeadLetter(partition, f"{type(result).__name__}: {result}")
        for partition, result in zip(partitions, results, strict=True)
        if isinstance(result, Exception)
    ]
    await bury(failed, out / "dead-letters")
    check(log, partitions, failed, max_failed)
    summary = converge([result for result in results if isinstance(result, Digest)], dead_letters=len(failed))
    await publish(summary, out / "summary.json")
    return summary


@task
def find(log: Path, into: Path) -> list[Partition]:
    """The partitions of the log in order; those of a single file are cut out of it, one day in memory at a time."""
    if log.is_dir():
        return [Partition(date.fromisoformat(path.name[5:15]), path) for path in sorted(log.glob("date=*.csv*"))]
    try:
        with text_of(log) as lines:
            return [Partition(day, write(into / f"date={day}.csv", rows)) for day, rows in cut(lines)]
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise PermanentError(f"the log {log.absolute()} cannot be read: {error}") from error


@task
def digest(partition: Partition, max_bad: float) -> Digest:
    """Add up a day. Raises PermanentError when too many of its rows make no sense."""
    delays: list[int | None] = []
    bad_rows = 0
    with text_of(partition.path) as lines:
        for row in csv.DictReader(lines):
            try:
                delays.append(delay_of(row, partition.day))
            except (ValueError, KeyError, TypeError):
                bad_rows += 1
    if bad_rows > max_bad * (bad_rows + len(delays)):
        raise PermanentError(f"{bad_rows} of {bad_rows + len(delays)} rows of {partition.path} are bad")
    departed = [delay for delay in delays if delay is not None]
    return Digest(
        day=partition.day,
        flights=len(delays),
        cancelled=len(delays) - len(departed),
        late=sum(delay >= 15 for delay in departed),
        delay=sum(departed),
        bad_rows=bad_rows,
    )


@task
def bury(failed: Sequence[DeadLetter], folder: Path) -> None:
    """Make the folder hold a letter for each of these days and for no other."""
    letters = {folder / f"date={letter.partition.day}.json": letter for letter in failed}
    for path, letter in letters.items():
        write(path, [json.dumps(asdict(letter), default=str, indent=2)])
    for path in set(folder.glob("date=*.json")) - set(letters):
        path.unlink()


@task
def publish(summary: Summary, path: Path) -> None:
    write(path, [json.dumps(asdict(summary), default=str, indent=2)])


def check(log: Path, partitions: Sequence[Partition], failed: Sequence[DeadLetter], max_failed: int) -> None:
    """The quality that a summary needs. Raises PermanentError, saying what is wrong and how to go on."""
    if not partitions:
        raise PermanentError(f"there are no days in {log}")
    if len(failed) > max_failed or len(failed) == len(partitions):
        letters = "".join(f"\n  {letter.partition.day}: {letter.error}" for letter in failed)
        raise PermanentError(
            f"{len(failed)} of {len(partitions)} days failed, {max_failed} may:{letters}\n"
            f"Mend them, then: headrace rerun {current().run_id} --failed"
        )
    days = {partition.day for partition in partitions}
    span = (max(days) - min(days)).days
    if missing := [str(day) for n in range(span) if (day := min(days) + timedelta(days=n)) not in days]:
        raise PermanentError(f"{log} has no rows for {', '.join(missing)}")


def converge(digests: Sequence[Digest], dead_letters: int) -> Summary:
    cancelled = sum(one.cancelled for one in digests)
    flights = sum(one.flights for one in digests)
    return Summary(
        first=digests[0].day,
        last=digests[-1].day,
        flights=flights,
        cancelled=cancelled,
        late=sum(one.late for one in digests),
        mean_delay=round(sum(one.delay for one in digests) / max(1, flights - cancelled), 2),
        storms=[one.day for one in digests if 4 * one.cancelled > one.flights],
        bad_rows=sum(one.bad_rows for one in digests),
        dead_letters=dead_letters,
    )


def cut(lines: Iterable[str]) -> Iterator[tuple[date, list[str]]]:
    """Each day of the log with its lines, under the header. A line without a date belongs to the day before it."""
    rows = iter(lines)
    header = next(rows, "")
    latest: date | None = None

    def day_of(line: str) -> date | None:
        nonlocal latest
        try:
            year, month, day = line.split(",", 3)[:3]
            latest = date(int(year), int(month), int(day))
        except ValueError:
            pass  # the day's digest counts it as a bad row
        return latest

    seen: set[date] = set()
    for day, group in groupby(rows, key=day_of):
        if day is None or day in seen:
            raise PermanentError(f"the log is not in order of day: {day or 'rows without a date'} at a second place")
        seen.add(day)
        yield day, [header, *group]


def delay_of(row: dict[str, str], day: date) -> int | None:
    """Minutes of delay on departure, None when cancelled. Raises ValueError, KeyError or TypeError for a bad row."""
    if (int(row["year"]), int(row["month"]), int(row["day"])) != (day.year, day.month, day.day):
        raise ValueError(f"a row of another day than {day}")
    return None if row["dep_delay"] == "NA" else int(row["dep_delay"])


def text_of(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def write(path: Path, lines: Iterable[str]) -> Path:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text("".join(lines), encoding="utf-8")
    return draft.replace(path)
