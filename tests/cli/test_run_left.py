"""`headrace run` that is left: interrupted, waiting for somebody, cancelled; and how to come back."""

from __future__ import annotations

import signal

import pytest

from tests.cli.conftest import Headrace


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_is_left_resumable_and_says_how(headrace: Headrace, number: signal.Signals) -> None:
    (headrace.folder / "hold-2").touch()
    child = headrace.start("run", "flows_here.py:steps", "n=4", "--id", "s")
    child.until(lambda: "step 2" in headrace.ledger())
    child.send(number)
    done = child.end()
    assert done.code == 130
    assert "run flows_here.py:steps n=4 --id s" in done.err
    assert headrace.state("s") == "queued"
    (headrace.folder / "hold-2").unlink()
    assert headrace("run", "flows_here.py:steps", "n=4", "--id", "s").out == "[0,1,2,3]\n"


def test_interrupting_does_not_wait_for_threads(headrace: Headrace) -> None:
    child = headrace.start("run", "flows_here.py:stuck")
    child.until(lambda: headrace.ledger() == ["thread"])
    child.send(signal.SIGINT)
    assert child.end().code == 130


def test_second_interrupt_kills(headrace: Headrace) -> None:
    headrace.write(
        "slow.py",
        """
        import asyncio
        from engine import flow


        @flow
        async def slow() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                print('unwinding', flush=True)
                await asyncio.sleep(60)
        """,
    )
    child = headrace.start("run", "slow.py", "--id", "s")
    child.until(lambda: headrace.state("s") == "running")
    child.send(signal.SIGINT)
    child.until(child.says("once more to kill"))
    child.send(signal.SIGINT)
    done = child.end(4)
    assert done.code == 130
    assert "killed" in done.err


def test_waiting_run_says_for_what_and_is_left(headrace: Headrace) -> None:
    done = headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    assert "waits for the signal 'answer' until" in done.err
    assert "PAYLOAD is JSON that fits str" in done.err
    assert "signal a answer PAYLOAD\n" in done.err
    assert "run flows_here.py:asks --id a" in done.err
    run = headrace("run", "flows_here.py:asks", "--json", code=3).json
    assert [(wait["kind"], wait["name"]) for wait in run["waits_for"]] == [("signal", "answer")]
    headrace("signal", "a", "answer", '"yes"')
    assert headrace("run", "flows_here.py:asks").out == '"yes"\n'


def test_short_sleep_is_sat_through_and_a_long_one_is_left(headrace: Headrace) -> None:
    assert headrace("run", "flows_here.py:naps").out == '"rested"\n'
    done = headrace("run", "flows_here.py:naps", "seconds=86400", code=3)
    assert "waits for its sleep until" in done.err


def test_wait_stays(headrace: Headrace) -> None:
    child = headrace.start("run", "flows_here.py:asks", "--id", "a", "--wait")
    child.until(lambda: headrace.state("a") == "waiting")
    headrace("signal", "a", "answer", '"yes"')
    assert child.end().out == '"yes"\n'


def test_waiting_in_a_child_run(headrace: Headrace) -> None:
    done = headrace("run", "flows_here.py:outer", "--id", "o", "--json", code=3)
    child, answer = done.json["waits_for"]
    assert (child["kind"], child["name"]) == ("child", answer["run"])
    assert f"signal {child['name']} answer" in done.err
    headrace("signal", child["name"], "answer", '"yes"')
    assert headrace("run", "flows_here.py:outer", "--id", "o").out == '"yes"\n'


def test_cancelled_from_another_process(headrace: Headrace) -> None:
    child = headrace.start("run", "flows_here.py:asks", "--id", "a", "--wait")
    child.until(lambda: headrace.state("a") == "waiting")
    headrace("cancel", "a", "--reason", "not today")
    done = child.end()
    assert done.code == 4
    assert "not today" in done.err
