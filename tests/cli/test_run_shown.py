"""`headrace run` while it goes on: plain lines in a pipe, a block in a terminal, the flow's own words between."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.conftest import Headrace


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
