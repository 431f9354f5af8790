"""A run as text."""

from __future__ import annotations

import pytest

from engine.model import entry as kinds
from engine.model.run import RunState
from observability.record import attempt_span
from observability.tree import length, trace_lines
from tests.observability.made import SECOND, START, failure, line, record


def test_a_finished_run_with_attempts_waits_and_nested_tasks() -> None:
    ended = record(state=RunState.SUCCEEDED, ended=START + 100 * SECOND)
    lines = [
        line(0, name="fetch", span=10, took=30 * SECOND),
        line(1, name="page", span=11, parent=10, took=SECOND // 4),
        line(2, kinds.ATTEMPT, name="store", span=attempt_span(12, 1), parent=12, outcome=kinds.ERROR, value=failure()),
        line(3, name="store", span=12, attempt=2, started=START + 40 * SECOND, took=3 * SECOND),
        line(4, kinds.SLEEP, name="sleep", started=START + 50 * SECOND, took=40 * SECOND),
        line(5, name="mail", outcome=kinds.CANCELLED, started=START + 90 * SECOND),
    ]
    assert trace_lines(ended, lines) == [
        "flow sales  1 min 39 s",
        "├─ queue sales  1.0 s",
        "├─ task fetch  30.0 s",
        "│  └─ task page  250 ms",
        "├─ task store  3.0 s",
        "│  ├─ ✗ attempt store  1.0 s  #1 ValueError: no",
        "│  └─ attempt store  3.0 s  #2",
        "├─ wait sleep  40.0 s",
        "└─ task mail  1.0 s  cancelled",
    ]


def test_a_failed_run_says_why() -> None:
    ended = record(state=RunState.FAILED, ended=START + 2 * SECOND, error=failure(message="first\nsecond"))
    assert trace_lines(ended, []) == ["✗ flow sales  1.0 s  ValueError: first", "└─ queue sales  1.0 s"]


def test_a_run_under_way_shows_what_is_open() -> None:
    lines = [
        line(0, kinds.ATTEMPT, name="slow", parent=70, outcome=kinds.ERROR, value=failure()),
        line(1, kinds.STARTED, name="slow", attempt=2, parent=70, span=attempt_span(70, 2)),
        line(4, kinds.WAIT, name="wait_for", args='signal="approved"', started=START + 9 * SECOND),
        line(2, kinds.STARTED, name="done")._replace(key="k"),
        line(3, name="done", started=START + 10 * SECOND)._replace(key="k"),
    ]
    assert trace_lines(record(), lines) == [
        "… flow sales  running",
        "├─ queue sales  1.0 s",
        "├─ … task slow  running #2",
        "│  └─ ✗ attempt slow  1.0 s  #1 ValueError: no",
        "├─ … wait approved  waiting",
        "└─ task done  1.0 s",
    ]


def test_many_siblings_fold_into_a_line_but_failures_do_not() -> None:
    lines = [line(n, name="page", took=(n + 1) * SECOND, started=START + SECOND + n) for n in range(50)]
    lines.append(line(50, name="page", outcome=kinds.ERROR, value=failure(), started=START + SECOND + 60))
    assert trace_lines(record(), lines)[2:] == [
        "├─ task page  50 times  p50 26.0 s  max 50.0 s",
        "└─ ✗ task page  1.0 s  ValueError: no",
    ]


def test_a_span_whose_parent_is_unknown_hangs_under_the_run() -> None:
    assert trace_lines(record(), [line(0, parent=999), line(1, span=5, parent=5)])[2:] == [
        "├─ task fetch  1.0 s",
        "└─ task fetch  1.0 s",
    ]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(1_200, "0.0012 ms"), (340_000_000, "340 ms"), (2_500_000_000, "2.5 s"), (185 * SECOND, "3 min 05 s"),
     (7_800 * SECOND, "2 h 10 min")],
)  # fmt: skip
def test_lengths_are_for_people(nanoseconds: int, text: str) -> None:
    assert length(nanoseconds) == text
