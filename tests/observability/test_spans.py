"""Which journal line makes which span."""

from __future__ import annotations

import random

from engine.core import scopes
from engine.model import entry as kinds
from engine.model.entry import Entry
from observability import names
from observability.record import STACK, SpanRecord, attempt_span
from observability.spans import OPEN_RETRIES, entry_spans, queue_span, run_span
from tests.observability.made import ROOT, SECOND, START, failure, identity, line, record


def spans(*lines: Entry) -> list[SpanRecord]:
    return entry_spans(identity(), lines, {})


def test_a_task_is_one_span_with_the_identity_of_its_run() -> None:
    (span,) = spans(line(3, parent=55))
    assert (span.name, span.span, span.parent, span.error, span.events) == ("task fetch", 1003, 55, None, ())
    assert (span.started, span.ended) == (START + 2 * SECOND, START + 3 * SECOND)
    assert span.attributes() == {
        "headrace.flow.name": "sales",
        "headrace.flow.version": "7",
        "headrace.run.id": "run-1",
        "headrace.run.root_id": "run-1",
        "headrace.trigger.type": "schedule",
        "headrace.span.kind": "task",
        "headrace.task.name": "fetch",
        "headrace.task.attempts": 1,
        "headrace.task.outcome": "ok",
        "headrace.task.key": "fetch@3",
    }


def test_a_failed_task_says_why_and_keeps_the_end_of_the_stack() -> None:
    value = failure("app.errors:Broken", "no luck", "old" * 5000 + "the line that raised")
    (span,) = spans(line(0, outcome=kinds.ERROR, value=value))
    assert span.error == "no luck"
    assert span.attributes()[names.ERROR_TYPE] == "app.errors.Broken"
    (event,) = span.events
    told = dict(event.attributes)
    stack = str(told[names.EXCEPTION_STACKTRACE])
    assert (event.name, event.at, told[names.EXCEPTION_TYPE]) == ("exception", span.ended, "app.errors.Broken")
    assert stack.endswith("the line that raised")
    assert len(stack.encode()) == STACK


def test_a_cancelled_task_is_no_error() -> None:
    (span,) = spans(line(0, outcome=kinds.CANCELLED))
    assert span.error is None
    assert span.attributes()[names.TASK_OUTCOME] == "cancelled"


def test_attempts_are_children_of_their_task_and_linked_in_order() -> None:
    task, first = 1003, attempt_span(1003, 1)
    second = attempt_span(task, 2)
    told, later = failure(retry_at=START + 5 * SECOND), failure(retry_at=START + 9 * SECOND)
    made = spans(
        line(1, kinds.ATTEMPT, span=7, parent=task, attempt=1, outcome=kinds.ERROR, value=told),
        line(2, kinds.ATTEMPT, span=8, parent=task, attempt=2, outcome=kinds.ERROR, value=later),
        line(3, span=task, attempt=3, took=20 * SECOND),
    )
    assert [span.name for span in made] == ["attempt fetch", "attempt fetch", "attempt fetch", "task fetch"]
    assert [span.attributes().get(names.ATTEMPT_NUMBER) for span in made] == [1, 2, 3, None]
    assert [span.parent for span in made] == [task, task, task, ROOT]
    assert [span.span for span in made] == [first, second, attempt_span(task, 3), task]
    assert [[link.span for link in span.links] for span in made] == [[], [first], [second], []]
    assert [span.error for span in made] == ["no", "no", None, None]
    assert made[0].attributes()[names.ATTEMPT_DELAY] == 2.0
    assert made[2].started == START + 9 * SECOND, "the last attempt begins when the line before said it would"
    assert made[3].attributes()[names.TASK_ATTEMPTS] == 3


def test_the_exception_of_a_retried_task_is_told_once_on_its_last_attempt() -> None:
    attempt, task = spans(line(3, attempt=2, outcome=kinds.ERROR, value=failure()))
    assert len(attempt.events) == 1
    assert (task.events, task.error) == ((), "no")


def test_the_id_of_an_attempt_is_the_one_the_engine_runs_it_under() -> None:
    dice = random.Random(7)
    for _ in range(1000):
        task, number = dice.getrandbits(63), dice.randrange(1, 50)
        assert attempt_span(task, number) == scopes.attempt_span(task, number)


def test_the_same_line_makes_the_same_span_again() -> None:
    """After a crash the next owner sends what the last one may not have sent."""
    lines = [line(0), line(1, kinds.SLEEP, span=0), line(2, attempt=2)]
    assert [(one.span, one.name) for one in spans(*lines)] == [(one.span, one.name) for one in spans(*lines)]


def test_waits_are_spans_and_notes_to_the_engine_are_not() -> None:
    quiet = [kinds.CANCEL, kinds.STARTED, kinds.NOW, kinds.WAIT, kinds.MOVED, kinds.CHILD, "a kind of tomorrow"]
    assert spans(*(line(seq, kind) for seq, kind in enumerate(quiet))) == []
    late = failure("builtins:TimeoutError")
    made = spans(
        line(0, kinds.SLEEP, name="sleep", args="seconds=2.0"),
        line(1, kinds.SIGNAL, name="wait_for", args='signal="approved"', outcome=kinds.ERROR, value=late),
        line(2, kinds.DEADLINE, name="timeout", span=0, parent=0),
        line(3, kinds.SIGNAL, name="wait_for", args='signal="cut off'),
    )
    assert [span.name for span in made] == ["wait sleep", "wait approved", "wait timeout", "wait wait_for"]
    assert [span.attributes()[names.WAIT_TYPE] for span in made] == ["sleep", "signal", "deadline", "signal"]
    assert made[1].attributes()[names.ERROR_TYPE] == "TimeoutError"
    assert made[2].span > 0
    assert made[2].parent == ROOT


def test_the_root_has_the_times_it_is_given_and_an_error_only_when_it_failed() -> None:
    outcomes = {
        outcome: run_span(identity(), record(crashes=2), START, START + 9, outcome, failure())[0]
        for outcome in ("succeeded", "failed", "cancelled")
    }
    assert {outcome: span.error for outcome, span in outcomes.items()} == {
        "succeeded": None,
        "failed": "no",
        "cancelled": None,
    }
    root = outcomes["failed"]
    assert (root.name, root.span, root.parent, root.started, root.ended) == ("flow sales", ROOT, 0, START, START + 9)
    assert root.attributes()[names.RUN_OUTCOME] == "failed"
    assert root.attributes()[names.RUN_RECOVERIES] == 2
    assert [event.name for event in root.events] == ["exception"]


def test_the_queue_span_lies_between_creation_and_start() -> None:
    (span,) = queue_span(identity(), record(), START + SECOND)
    assert (span.name, span.parent, span.started, span.ended) == ("queue sales", ROOT, START, START + SECOND)
    assert span.span not in {0, ROOT}


def test_an_unreadable_failure_is_still_a_failure() -> None:
    for value in (b"", b"{", b"[]", b'"x"', b'{"type": null}', b"\xff"):
        (span,) = spans(line(0, outcome=kinds.ERROR, value=value))
        assert span.attributes()[names.ERROR_TYPE] == "unknown"
        assert span.error is not None


def test_tasks_that_never_end_do_not_pile_up() -> None:
    retries: dict[int, int] = {}
    many = [line(0, kinds.ATTEMPT, parent=task, outcome=kinds.ERROR, value=failure()) for task in range(1, 10_100)]
    entry_spans(identity(), many, retries)
    assert len(retries) == OPEN_RETRIES
