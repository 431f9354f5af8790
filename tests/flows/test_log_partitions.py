from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from datetime import date
from pathlib import Path
from statistics import fmean

import pytest

from engine import Engine, PermanentError, RunFailed
from flows.log_partitions import LOG, Summary, log_partitions
from tests.support.command import ROOT, Headrace

Flights = dict[date, list[dict[str, str]]]

LOST = date(2013, 1, 30)
DAMAGED = date(2013, 1, 19)  # one of those that are compressed


def expected(flights: Flights, dead_letters: int = 0) -> Summary:
    """The summary of these days, computed without the flow."""
    rows = [row for day in flights.values() for row in day]
    delays = [int(row["dep_delay"]) for row in rows if row["dep_delay"] != "NA"]
    cancelled = {day: sum(row["dep_delay"] == "NA" for row in rows) / len(rows) for day, rows in flights.items()}
    return Summary(
        first=min(flights),
        last=max(flights),
        flights=len(rows),
        cancelled=len(rows) - len(delays),
        late=len([delay for delay in delays if delay >= 15]),
        mean_delay=round(fmean(delays), 2),
        storms=[day for day, share in cancelled.items() if share > 0.25],
        bad_rows=0,
        dead_letters=dead_letters,
    )


def partitioned(folder: Path, flights: Flights) -> Path:
    """The log as a folder of days, every second one compressed."""
    folder.mkdir()
    for n, (day, rows) in enumerate(flights.items()):
        text = "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows), ""])
        if n % 2:
            (folder / f"date={day}.csv").write_text(text)
        else:
            (folder / f"date={day}.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def path_of(folder: Path, day: date) -> Path:
    (path,) = folder.glob(f"date={day}.csv*")
    return path


def damage(path: Path) -> bytes:
    """Cut a compressed partition short; what it was before."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def remove_digested(log: Path, headrace: Headrace) -> set[str]:
    """Take away the days whose digest is recorded: whoever reads one a second time fails. The days."""
    days = {value["day"] for name, _, value in headrace.journal() if name == "digest"}
    for day in days:
        path_of(log, date.fromisoformat(day)).unlink()
    return days


async def test_summarises_the_real_log(tmp_path: Path, flights: Flights) -> None:
    summary = await log_partitions(out=tmp_path)

    assert summary == expected(flights)
    assert (summary.flights, summary.cancelled) == (27_018, 1_500)
    assert summary.storms == [date(2013, 2, 8), date(2013, 2, 9)]
    published = json.loads((tmp_path / "summary.json").read_text())
    assert (published["flights"], published["late"]) == (summary.flights, summary.late)
    assert list((tmp_path / "dead-letters").glob("*")) == []


async def test_cuts_the_log_into_its_days_without_losing_a_line(tmp_path: Path, flights: Flights) -> None:
    await log_partitions(out=tmp_path)

    parts = sorted((tmp_path / "partitions").iterdir())
    assert [part.name for part in parts] == [f"date={day}.csv" for day in flights]
    with gzip.open(LOG, "rt") as log:
        header, *lines = log
    assert {part.read_text().splitlines(keepends=True)[0] for part in parts} == {header}
    assert [line for part in parts for line in part.read_text().splitlines(keepends=True)[1:]] == lines


async def test_takes_a_folder_that_is_partitioned_already(tmp_path: Path, flights: Flights) -> None:
    assert await log_partitions(partitioned(tmp_path / "log", flights), tmp_path) == expected(flights)


async def test_a_day_that_fails_becomes_a_dead_letter(tmp_path: Path, flights: Flights) -> None:
    log = partitioned(tmp_path / "log", flights)
    whole = damage(path_of(log, DAMAGED))

    with pytest.raises(PermanentError, match=rf"1 of 31 days failed, 0 may:\n  {DAMAGED}: EOFError"):
        await log_partitions(log, tmp_path)
    (letter,) = (tmp_path / "dead-letters").iterdir()
    assert letter.name == f"date={DAMAGED}.json"
    assert json.loads(letter.read_text())["partition"]["path"] == str(path_of(log, DAMAGED))
    assert not (tmp_path / "summary.json").exists()

    path_of(log, DAMAGED).write_bytes(whole)
    assert await log_partitions(log, tmp_path) == expected(flights)
    assert not letter.exists()


async def test_as_many_days_may_fail_as_are_allowed(tmp_path: Path, flights: Flights) -> None:
    log = partitioned(tmp_path / "log", flights)
    damage(path_of(log, DAMAGED))

    summary = await log_partitions(log, tmp_path, max_failed=1)

    rest = {day: rows for day, rows in flights.items() if day != DAMAGED}
    assert summary == expected(rest, dead_letters=1)


async def test_rows_that_make_no_sense_fail_their_day_when_there_are_too_many(tmp_path: Path, flights: Flights) -> None:
    some = {day: list(rows) for day, rows in list(flights.items())[:3]}
    day, rows = list(some.items())[1]
    some[day] = [row | {"dep_delay": "soon"} for row in rows[:12]] + rows[12:]
    log = partitioned(tmp_path / "log", some)

    with pytest.raises(PermanentError, match=rf"{day}: PermanentError: 12 of {len(rows)} rows of .* are bad"):
        await log_partitions(log, tmp_path)
    summary = await log_partitions(log, tmp_path, max_bad=0.02)

    assert (summary.bad_rows, summary.dead_letters) == (12, 0)
    assert summary.flights == sum(map(len, some.values())) - 12


async def test_a_missing_day_is_named(tmp_path: Path, flights: Flights) -> None:
    log = partitioned(tmp_path / "log", flights)
    path_of(log, LOST).unlink()

    with pytest.raises(PermanentError, match=rf"has no rows for {LOST}$"):
        await log_partitions(log, tmp_path)


async def test_a_line_without_a_date_is_a_bad_row_of_the_day_before_it(tmp_path: Path, flights: Flights) -> None:
    with gzip.open(LOG, "rt") as log:
        lines = [next(log) for _ in range(500)]
    damaged = tmp_path / "damaged.csv"
    damaged.write_text("".join([*lines[:300], "?" + lines[300], *lines[301:]]))

    summary = await log_partitions(damaged, tmp_path)

    assert (summary.flights, summary.bad_rows) == (498, 1)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: .*No such file"),
        (b"year,month,day\n", "there are no days in"),
        (b"", "there are no days in"),
        (b"year,month,day,dep_delay\n2013,1,1,0\n2013,1,2,0\n2013,1,1,0\n", "not in order of day: 2013-01-01"),
        (b"year,month,day,dep_delay\nnonsense\n", "not in order of day: rows without a date"),
        (b"year,month,day\n2013,1,1\n", r"1 of 1 days failed, 0 may:\n  2013-01-01: PermanentError: 1 of 1 rows"),
    ],
)
async def test_a_log_that_is_none_is_named(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    log = tmp_path / "log.csv"
    if content is not None:
        log.write_bytes(content)

    with pytest.raises(PermanentError, match=complaint):
        await log_partitions(log, tmp_path)


@pytest.mark.parametrize("rest", [b"", bytes(1_000)])
async def test_a_compressed_log_that_is_damaged_is_named(tmp_path: Path, rest: bytes) -> None:
    log = tmp_path / "log.csv.gz"
    log.write_bytes(LOG.read_bytes()[:10_000] + rest)

    with pytest.raises(PermanentError, match=rf"the log {log} cannot be read"):
        await log_partitions(log, tmp_path)


async def test_runs_in_an_engine(tmp_path: Path, flights: Flights) -> None:
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[log_partitions]) as engine:
        run = await engine.start(log_partitions.bind(out=tmp_path))

        assert await run.result() == expected(flights)


async def test_a_failed_run_says_how_to_go_on(tmp_path: Path, flights: Flights) -> None:
    log = partitioned(tmp_path / "log", flights)
    damage(path_of(log, DAMAGED))

    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[log_partitions]) as engine:
        run = await engine.start(log_partitions.bind(log, tmp_path))
        with pytest.raises(RunFailed, match=f"headrace rerun {run.id} --failed"):
            await run.result()


def test_goes_on_after_a_kill_between_days(headrace: Headrace, tmp_path: Path, flights: Flights) -> None:
    log = partitioned(tmp_path / "log", flights)
    slow = path_of(log, LOST)
    rows = slow.read_bytes()
    slow.unlink()
    os.mkfifo(slow)  # nobody writes to it: whoever reads this day is still reading when the run is killed
    command = ["run", ROOT / "flows" / "log_partitions.py", f"log={log}", f"out={tmp_path / 'out'}"]

    headrace.kill_when(headrace.start(*command), lambda: headrace.recorded()["digest"] >= 15)
    slow.unlink()
    slow.write_bytes(rows)
    removed = remove_digested(log, headrace)
    headrace.run(*command)

    assert 15 <= len(removed) < 31
    assert headrace.recorded() == Counter(find=1, digest=31, bury=1, publish=1)
    published = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert published["flights"] == expected(flights).flights
    assert published["mean_delay"] == expected(flights).mean_delay
    assert published["late"] == expected(flights).late


def test_only_what_failed_is_run_again(headrace: Headrace, tmp_path: Path, flights: Flights) -> None:
    log = partitioned(tmp_path / "log", flights)
    whole = damage(path_of(log, DAMAGED))

    output = headrace.run("run", ROOT / "flows" / "log_partitions.py", f"log={log}", f"out={tmp_path / 'out'}", code=1)
    assert len(remove_digested(log, headrace)) == 30
    path_of(log, DAMAGED).write_bytes(whole)
    (run_id,) = set(re.findall(r"headrace rerun (\S+) --failed", output))
    headrace.run("rerun", run_id, "--failed")

    assert json.loads((tmp_path / "out" / "summary.json").read_text())["flights"] == expected(flights).flights
    assert list((tmp_path / "out" / "dead-letters").iterdir()) == []
