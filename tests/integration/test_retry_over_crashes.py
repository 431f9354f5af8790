"""Attempts, unknown outcomes and hooks over kill -9."""

from __future__ import annotations

from tests.integration.process import Processes

MODULE = "tests.integration.retry_programs"


def resumed(processes: Processes, name: str) -> list[str]:
    """The ledger of a run whose process killed itself once."""
    assert processes.start("one_run", MODULE, name).wait(60) == -9, processes.output
    processes.finish(processes.start("one_run", MODULE, name))
    return processes.ledger


def test_a_kill_during_the_back_off_costs_no_attempt_and_keeps_the_time(processes: Processes) -> None:
    child = processes.start("one_run", MODULE, "killed_in_its_back_off")
    processes.wait_until(lambda: processes.rows("SELECT 1 FROM journal WHERE kind = 'attempt'"))
    processes.crash(child)
    processes.finish(processes.start("one_run", MODULE, "killed_in_its_back_off"))
    *attempts, result = processes.ledger
    assert result == "result 3"
    assert [line.split()[1] for line in attempts] == ["1", "2", "3"]
    assert len({line.split()[2] for line in attempts}) == 1, "the idempotency key is the same"
    (failed,) = processes.rows("SELECT ended, started FROM journal WHERE kind = 'attempt' AND attempt = 1")
    (again,) = processes.rows("SELECT started FROM journal WHERE kind = 'attempt' AND attempt = 2")
    assert again[0] - failed[0] >= 1.5e9


def test_a_delay_that_the_exception_asks_for_is_kept_over_a_kill(processes: Processes) -> None:
    child = processes.start("one_run", MODULE, "told_when_to_come_back")
    processes.wait_until(lambda: processes.rows("SELECT 1 FROM journal WHERE kind = 'attempt'"))
    processes.crash(child)
    processes.finish(processes.start("one_run", MODULE, "told_when_to_come_back"))
    assert processes.ledger == ["asked 1", "asked 2", "result 2"]
    ((failed,),) = processes.rows("SELECT ended FROM journal WHERE kind = 'attempt'")
    ((done,),) = processes.rows("SELECT ended FROM journal WHERE kind = 'task'")
    assert done - failed >= 1.5e9


def test_a_predicate_that_raises_ends_the_retries_and_the_flow_gets_the_first_error(processes: Processes) -> None:
    ledger = resumed(processes, "with_a_predicate_that_raises")
    assert ledger[0] == "judged 1"
    assert ledger[1].startswith("caught the first error Retry(when=...) of task judged_badly raised RuntimeError(")
    assert ledger[2:] == [ledger[1], "result 'the first error'"], "not tried again, before and after the crash"


def test_ask_counts_the_attempts_that_failed(processes: Processes) -> None:
    ledger = resumed(processes, "asks_after_a_failed_attempt")
    assert ledger == ["launch 1", "launch 2", "asked True True", "result 'looked it up'"]


def test_fail_does_not_ask_the_flow(processes: Processes) -> None:
    ledger = resumed(processes, "fails_rather_than_repeat")
    assert ledger[0] == "wire"
    assert ledger[1].startswith("failed engine.model.errors.UnknownOutcome task wire had started attempt 1")
    assert len(ledger) == 2


def test_retry_repeats_with_the_same_key(processes: Processes) -> None:
    first, second, result = resumed(processes, "repeats")
    assert first == second
    assert first.startswith("again ")
    assert result == "result 'done'"


def test_hooks_of_what_is_recorded_are_called_once(processes: Processes) -> None:
    ledger = resumed(processes, "with_hooks")
    assert ledger == ["heard NoneType succeeds", "heard ValueError fails", "heard NoneType ", "result None"]
