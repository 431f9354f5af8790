"""What people write and read: durations, times, and a board of many tasks."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine import flow, tracebacks, wait_for
from engine.cli.board import Board
from engine.cli.declaring import declared
from engine.cli.times import brief, duration, moment
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("10m", 600), ("10min", 600), ("1h30m", 5400), ("1h 30m", 5400), ("2d", 172_800), ("1.5s", 1.5),
        ("1W", 604_800),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "10 parsecs", "-5m", "1h-30m", "5m!", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        duration(text)


def test_times_keep_their_zone_or_get_the_local_one() -> None:
    assert moment("2026-03-01T08:00+01:00").timestamp() == 1_772_348_400
    assert moment("2026-03-01T08:00").tzinfo is not None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.34, "340 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"),
     (3599.6, "1 h 00 min")],
)  # fmt: skip
def test_lengths(seconds: float, text: str) -> None:
    assert brief(round(seconds * 1e9)) == text


def line(seq: int, kind: str, name: str, key: str, outcome: str = kinds.OK, value: bytes = b"null") -> Entry:
    return Entry(1, seq, seq, kind, key, name, "n=1", 1, seq, seq + 1, seq, 0, outcome, value, None, 1)


def failure(text: str) -> bytes:
    return json.dumps({"type": "builtins:ValueError", "message": text, "retry_at": 0}).encode()


def test_board_counts_what_is_done_running_and_tried_again() -> None:
    board = Board()
    board.heard(
        [line(0, kinds.STARTED, "fetch", "/a", kinds.PENDING), line(1, kinds.STARTED, "fetch", "/b", kinds.PENDING)]
    )
    board.heard([line(2, kinds.TASK, "fetch", "/a"), line(3, kinds.ATTEMPT, "fetch", "/b", kinds.ERROR, failure("no"))])
    assert board.catch_up() == ["fetch(n=1), attempt 1 failed: ValueError: no; tried again in 0 ms"]
    assert board.summary() == "fetch 1 done, 1 tried again"
    board.heard([line(4, kinds.STARTED, "fetch", "/b", kinds.PENDING)])
    board.reported(1, "map fetch", 1, 2, "")
    assert board.catch_up() == []
    assert "1 running" in board.summary()
    assert "█" * 12 + "░" * 12 + " 1/2" in board.lines()[0]
    board.heard([line(5, kinds.TASK, "fetch", "/b")])
    board.catch_up()
    assert board.totals() == "2 tasks, 1 failed attempt"


def test_board_counts_a_resumed_run_once() -> None:
    recorded = [line(0, kinds.TASK, "fetch", "/a"), line(1, kinds.TASK, "fetch", "/b", kinds.ERROR, failure("no"))]
    board = Board()
    assert board.remember(recorded) == 1
    board.heard([*recorded, line(2, kinds.TASK, "fetch", "/c")])
    assert board.catch_up() == []
    assert board.summary() == "fetch 2 done"


def test_board_counts_a_run_that_came_back_to_memory_once() -> None:
    board = Board()
    first = line(0, kinds.ATTEMPT, "fetch", "/a", kinds.ERROR, failure("no"))
    second = line(1, kinds.ATTEMPT, "fetch", "/a", kinds.ERROR, failure("no"))
    board.heard([first])
    assert len(board.catch_up()) == 1
    board.heard([first, second])
    assert len(board.catch_up()) == 1
    board.heard([first, second])
    board.heard([line(2, kinds.TASK, "fetch", "/a")])
    assert board.catch_up() == []
    assert board.totals() == "1 task, 2 failed attempts"


def test_board_tells_the_first_failures_only() -> None:
    board = Board()
    board.heard([line(n, kinds.TASK, "fetch", f"/{n}", kinds.ERROR, failure(str(n))) for n in range(500)])
    told = board.catch_up()
    assert len(told) == 20
    assert told[-1] == "further failures are only counted"
    assert "500 failed" in board.summary()


def test_board_of_many_names_shows_those_that_moved_last() -> None:
    board = Board()
    board.heard([line(n, kinds.TASK, f"task-{n}", f"/{n}") for n in range(50)])
    board.catch_up()
    assert len(board.lines()) == 8
    assert "task-49" in board.lines()[-1]


def test_tracebacks_without_the_machinery() -> None:
    machinery = f'  File "{tracebacks.__file__}", line 3, in of\n    x = y\n        ^\n'
    mine = '  File "/somewhere/flow.py", line 7, in fetch\n    raise ValueError("no")\n'
    text = f"Traceback (most recent call last):\n{machinery}{mine}{machinery}ValueError: no\n"
    assert tracebacks.trimmed(text) == f"Traceback (most recent call last):\n{mine}ValueError: no"
    assert tracebacks.trimmed(f"Traceback (most recent call last):\n{machinery}ValueError: no\n") == "ValueError: no"


@flow
async def asks() -> None:
    await wait_for("typed", dict[str, int], timeout=5)
    await wait_for("open")
    await wait_for("both", str)


@flow
async def asks_otherwise() -> None:
    await wait_for("both", int)


def test_the_type_that_a_signal_is_declared_with() -> None:
    flows = [asks, asks_otherwise]
    told = {name: declared(flows, name) for name in ("typed", "open", "both", "never")}
    assert told == {"typed": "dict[str, int]", "open": None, "both": None, "never": None}
