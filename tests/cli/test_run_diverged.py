"""`headrace run` on code that has changed: the difference, and the command that goes on."""

from __future__ import annotations

from tests.cli.conftest import Headrace


def test_a_divergence_stops_with_the_diff_and_the_command_that_goes_on(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    headrace("signal", "a", "answer", '"yes"')
    headrace.edit("await greet(question)", "await greet(question.upper())")
    done = headrace("run", "flows_here.py:asks", "--id", "a", code=5)
    assert '- recorded: greet(name="may I")' in done.err
    assert '+ now asks: greet(name="MAY I")' in done.err
    assert "--on-divergence rerun" in done.err
    assert headrace.state("a") == "diverged"
    assert headrace("run", "flows_here.py:asks", "--id", "a", "--on-divergence", "rerun").out == '"yes"\n'


def test_a_run_held_up_by_a_child_that_diverged_says_so_and_goes_on_with_it(headrace: Headrace) -> None:
    waits = headrace("run", "flows_here.py:outer", "--id", "o", "--json", code=3).json["waits_for"]
    headrace("signal", waits[1]["run"], "answer", '"yes"')
    headrace.edit("await greet(question)", "await greet(question.upper())")
    done = headrace("run", "flows_here.py:outer", "--id", "o", code=5)
    assert '+ now asks: greet(name="CHILD")' in done.err
    assert "run o of outer waits for it" in done.err
    assert headrace("run", "flows_here.py:outer", "--id", "o", "--on-divergence", "rerun").out == '"yes"\n'


def test_diverged_run_goes_on_with_the_code_it_was_recorded_with(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    headrace("signal", "a", "answer", '"yes"')
    headrace.edit("await greet(question)", "await greet(question.upper())")
    headrace("run", "flows_here.py:asks", code=5)
    headrace.edit("await greet(question.upper())", "await greet(question)")
    assert headrace("run", "flows_here.py:asks").out == '"yes"\n'
    assert headrace.ledger() == ["greet may I"]
