"""`headrace run` that fails: the user's own frames, the way out, and nothing of ours."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.conftest import Headrace


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
