"""`headrace run`: results, exit codes, resuming, being left."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cli.conftest import Child, Headrace


def test_result_on_stdout_and_everything_else_on_stderr(headrace: Headrace) -> None:
    done = headrace("run", "flows_here.py:hello", "name=Ada")
    assert done.out == '"Hello, Ada!"\n'
    assert "started" in done.err
    assert "succeeded" in done.err


def test_json_has_the_whole_run(headrace: Headrace) -> None:
    run = headrace("run", "flows_here.py:hello", "--id", "h", "--json", "--tag", "mine").json
    assert run["id"] == "h"
    assert run["state"] == "succeeded"
    assert run["params"] == {"name": "world"}
    assert run["result"] == "Hello, world!"
    assert run["tags"] == ["mine"]
    assert run["error"] is None
    assert {"flow", "created", "started", "ended", "due", "trace_id", "rerun_of", "cancel"} <= run.keys()


def test_failed_run_shows_the_users_frames_and_the_way_out(headrace: Headrace) -> None:
    done = headrace("run", "flows_here.py:fails", "--id", "f", code=1)
    assert done.out == ""
    assert "ValueError: no 1" in done.err
    assert 'raise ValueError(f"no {n}")' in done.err
    assert "return await shaky(await step(n))" in done.err
    assert "performing.py" not in done.err
    assert "rerun f --failed" in done.err
    assert "logs f" in done.err


def test_failed_run_as_json(headrace: Headrace) -> None:
    run = headrace("run", "flows_here.py:fails", "--json", code=1).json
    assert (run["state"], run["result"]) == ("failed", None)
    assert (run["error"]["type"], run["error"]["message"]) == ("ValueError", "no 1")


def test_cause_of_an_error_is_shown_as_well(headrace: Headrace) -> None:
    done = headrace("run", "flows_here.py:hurt", code=1)
    assert "RuntimeError: could not" in done.err
    assert "ValueError: no 1" in done.err
    assert "driving.py" not in done.err


def test_finished_id_prints_its_stored_result(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    again = headrace("run", "flows_here.py:hello", "--id", "h")
    assert again.out == '"Hello, world!"\n'
    assert "has ended already" in again.err
    assert headrace.ledger() == ["greet world"]


def test_id_with_other_parameters_is_an_error(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    done = headrace("run", "flows_here.py:hello", "name=Ada", "--id", "h", code=2)
    assert 'was started with name="world", not with name="Ada"' in done.err


def test_a_kill_is_resumed_by_the_same_command(headrace: Headrace) -> None:
    (headrace.folder / "hold-3").touch()
    child = headrace.start("run", "flows_here.py:steps")
    child.until(lambda: "step 3" in headrace.ledger())
    child.send(signal.SIGKILL)
    child.end()
    (headrace.folder / "hold-3").unlink()
    done = headrace("run", "flows_here.py:steps")
    assert done.out == "[0,1,2,3,4]\n"
    assert "is resumed: 3 results recorded" in done.err
    assert headrace.ledger() == ["step 0", "step 1", "step 2", "step 3", "step 3", "step 4"]


def test_new_starts_another_one(headrace: Headrace) -> None:
    first = headrace("run", "flows_here.py:asks", "--json", code=3).json
    second = headrace("run", "flows_here.py:asks", "--new", "--json", code=3).json
    assert first["id"] != second["id"]
    done = headrace("run", "flows_here.py:asks", code=2)
    assert first["id"] in done.err
    assert "--new" in done.err


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
    headrace.write(
        "nested.py",
        """
        from flows_here import asks
        from engine import flow


        @flow
        async def outer() -> str:
            return await asks('child')
        """,
    )
    done = headrace("run", "nested.py:outer", "--id", "o", "--json", code=3)
    child, answer = done.json["waits_for"]
    assert (child["kind"], child["name"]) == ("child", answer["run"])
    assert f"signal {child['name']} answer" in done.err
    headrace("signal", child["name"], "answer", '"yes"')
    assert headrace("run", "nested.py:outer", "--id", "o").out == '"yes"\n'


def test_cancelled_from_another_process(headrace: Headrace) -> None:
    child = headrace.start("run", "flows_here.py:asks", "--id", "a", "--wait")
    child.until(lambda: headrace.state("a") == "waiting")
    headrace("cancel", "a", "--reason", "not today")
    done = child.end()
    assert done.code == 4
    assert "not today" in done.err


def test_a_divergence_stops_with_the_diff_and_the_command_that_goes_on(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    headrace("signal", "a", "answer", '"yes"')
    code = headrace.folder / "flows_here.py"
    code.write_text(code.read_text().replace("await greet(question)", "await greet(question.upper())"))
    done = headrace("run", "flows_here.py:asks", "--id", "a", code=5)
    assert '- recorded: greet(name="may I")' in done.err
    assert '+ now asks: greet(name="MAY I")' in done.err
    assert "--on-divergence rerun" in done.err
    assert headrace.state("a") == "diverged"
    assert headrace("run", "flows_here.py:asks", "--id", "a", "--on-divergence", "rerun").out == '"yes"\n'


def test_a_run_held_up_by_a_child_that_diverged_says_so_and_goes_on_with_it(headrace: Headrace) -> None:
    headrace.write(
        "nested.py",
        """
        from flows_here import asks
        from engine import flow


        @flow
        async def outer() -> str:
            return await asks('child')
        """,
    )
    waits = headrace("run", "nested.py:outer", "--id", "o", "--json", code=3).json["waits_for"]
    headrace("signal", waits[1]["run"], "answer", '"yes"')
    code = headrace.folder / "flows_here.py"
    code.write_text(code.read_text().replace("await greet(question)", "await greet(question.upper())"))
    done = headrace("run", "nested.py:outer", "--id", "o", code=5)
    assert '+ now asks: greet(name="CHILD")' in done.err
    assert "run o of outer waits for it" in done.err
    assert headrace("run", "nested.py:outer", "--id", "o", "--on-divergence", "rerun").out == '"yes"\n'


def test_diverged_run_goes_on_with_the_code_it_was_recorded_with(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    headrace("signal", "a", "answer", '"yes"')
    code = headrace.folder / "flows_here.py"
    text = code.read_text()
    code.write_text(text.replace("await greet(question)", "await greet(question.upper())"))
    headrace("run", "flows_here.py:asks", code=5)
    code.write_text(text)
    assert headrace("run", "flows_here.py:asks").out == '"yes"\n'
    assert headrace.ledger() == ["greet may I"]


def test_a_run_that_a_node_owns_is_followed(headrace: Headrace, node: Child) -> None:
    (headrace.folder / "hold-2").touch()
    headrace("start", "flows_here.py:steps", "n=4", "--id", "s")
    node.until(lambda: "step 2" in headrace.ledger())
    follower = headrace.start("run", "flows_here.py:steps", "n=4", "--id", "s")
    follower.until(follower.says("followed from here"))
    (headrace.folder / "hold-2").unlink()
    assert follower.end().out == "[0,1,2,3]\n"
    assert headrace.ledger() == ["step 0", "step 1", "step 2", "step 3"]


def test_follower_takes_over_when_the_owner_dies(headrace: Headrace) -> None:
    (headrace.folder / "hold-2").touch()
    first = headrace.start("run", "flows_here.py:steps", "n=4", "--id", "s")
    first.until(lambda: "step 2" in headrace.ledger())
    second = headrace.start("run", "flows_here.py:steps", "n=4")
    second.until(second.says("followed from here"))
    (headrace.folder / "hold-2").unlink()
    first.send(signal.SIGKILL)
    assert second.end().out == "[0,1,2,3]\n"


def test_leaving_a_followed_run_does_not_stop_it(headrace: Headrace, node: Child) -> None:
    (headrace.folder / "hold-2").touch()
    headrace("start", "flows_here.py:steps", "n=4", "--id", "s")
    node.until(lambda: "step 2" in headrace.ledger())
    follower = headrace.start("run", "flows_here.py:steps", "n=4")
    follower.until(follower.says("followed from here"))
    follower.send(signal.SIGINT)
    done = follower.end()
    assert done.code == 130
    assert "goes on in another process" in done.err
    (headrace.folder / "hold-2").unlink()
    node.until(lambda: headrace.state("s") == "succeeded")


def test_children_of_a_killed_run_are_resumed_with_it(headrace: Headrace) -> None:
    (headrace.folder / "hold-1").touch()
    child = headrace.start("run", "flows_here.py:parent")
    child.until(lambda: "step 1" in headrace.ledger())
    child.send(signal.SIGKILL)
    child.end()
    (headrace.folder / "hold-1").unlink()
    assert headrace("run", "flows_here.py:parent").out == "1\n"
    assert headrace.ledger() == ["step 0", "step 1", "step 1"]


def test_two_runs_at_once_on_one_store(headrace: Headrace) -> None:
    children = [headrace.start("run", "flows_here.py:steps", f"n={n}", "--durability", "power") for n in (20, 30)]
    assert [child.end().out for child in children] == [f"{list(range(n))}\n".replace(" ", "") for n in (20, 30)]


def test_memory_store_runs_and_is_forgotten(headrace: Headrace) -> None:
    assert headrace("run", "flows_here.py:hello", "--store", "memory://").out == '"Hello, world!"\n'
    assert not (headrace.folder / "state.db").exists()


def test_large_result_comes_from_the_blob_store(headrace: Headrace) -> None:
    headrace.write(
        "large.py",
        """
        from engine import flow


        @flow
        async def large() -> str:
            return 'x' * 100_000
        """,
    )
    assert headrace("run", "large.py", "--id", "l").out == f'"{"x" * 100_000}"\n'
    assert headrace("show", "l", "--json").json["result"] == "x" * 100_000


def test_plain_lines_when_piped(headrace: Headrace) -> None:
    headrace.write(
        "wide.py",
        """
        from engine import flow, task


        @task
        async def one(n: int) -> int:
            return n


        @flow
        async def wide() -> int:
            return len(await one.map(range(3000)))
        """,
    )
    done = headrace("run", "wide.py")
    assert "\x1b" not in done.err
    assert "3,000 tasks" in done.err
    assert len(done.err.splitlines()) < 10
    assert headrace("run", "wide.py", "--no-progress").err.count("\n") == 2


def test_prints_of_a_flow_and_colours_in_a_terminal(headrace: Headrace) -> None:
    headrace.write(
        "chatty.py",
        """
        from datetime import timedelta
        from engine import flow, sleep, task


        @task
        async def talk(n: int) -> int:
            print('talking', n)
            return n


        @flow
        async def chat() -> list[int]:
            said = await talk.map([1, 2])
            await sleep(timedelta(seconds=1))
            return said
        """,
    )
    command = f"{sys.executable} -m engine.cli run chatty.py"
    shown = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=headrace.folder, env={**headrace.environment, "TERM": "xterm"},
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.replace("\r\n", "\n")  # fmt: skip
    assert "\ntalking 1\n" in shown.replace("\x1b[J", "\n")
    assert "talk  " + "█" * 24 + " 2/2" in shown
    assert shown.endswith("\n[1,2]\n")
    assert "\x1b[?25h" in shown


def test_stacks_of_the_tasks_of_a_group(headrace: Headrace) -> None:
    headrace.write(
        "group.py",
        """
        import asyncio
        from engine import flow, task


        @task
        async def first() -> None:
            raise ValueError("one")


        @task
        async def second() -> None:
            raise KeyError("two")


        @flow
        async def group() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(first())
                tasks.create_task(second())
        """,
    )
    done = headrace("run", "group.py", code=1)
    assert "In the task first():" in done.err
    assert 'raise KeyError("two")' in done.err
    assert "engine/runtime" not in done.err


def test_a_flow_that_ends_the_process_is_told_not_to(headrace: Headrace) -> None:
    headrace.write(
        "exiting.py",
        """
        import sys
        from engine import flow, task


        @task
        async def leave() -> None:
            sys.exit(3)


        @flow
        async def exiting() -> None:
            await leave()
        """,
    )
    done = headrace("run", "exiting.py", code=1)
    assert "sys.exit" in done.err or "SystemExit" in done.err


def test_a_full_disk_loses_nothing_and_says_how_to_go_on(headrace: Headrace) -> None:
    headrace.write(
        "big.py",
        """
        from engine import flow, task


        @task
        async def put(n: int) -> str:
            return "x" * 3000


        @flow
        async def big() -> int:
            return len(await put.map(range(2000)))
        """,
    )
    limited = f"ulimit -f 1500; exec {sys.executable} -m engine.cli run big.py --id b"
    shown = subprocess.run(
        ["bash", "-c", limited], cwd=headrace.folder, env=headrace.environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert shown.returncode == 6, shown.stderr
    assert "cannot grow" in shown.stderr
    assert "run big.py --id b" in shown.stderr
    done = headrace("run", "big.py", "--id", "b")
    assert done.out == "2000\n"
    assert "is resumed" in done.err


def test_a_flow_that_blocks_the_loop_is_named_with_its_own_line(headrace: Headrace) -> None:
    headrace.write(
        "blocking.py",
        """
        import time
        from engine import flow


        @flow
        async def blocking() -> None:
            time.sleep(2.5)
        """,
    )
    done = headrace("run", "blocking.py", "--id", "b")
    assert "has stood still" in done.err
    assert "headrace blocking b" in done.err
    assert "time.sleep(2.5)" in done.err
    assert "typer" not in done.err
