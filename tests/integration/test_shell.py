"""shell: a command is a task; its output is in the run's log, and nothing of it survives its cancellation."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from engine import RunCancelled, RunFailed, flow, shell
from tests.integration.conftest import MakeEngine
from tests.integration.process import Processes, die_once, note
from tests.support.polling import until


@flow
async def prints() -> list[str]:
    result = await shell("echo to-out; echo to-err >&2; echo $HEADRACE_RUN_ID $TRACEPARENT")
    words = await shell(["echo", "not $HOME"])
    return [result.stdout, result.stderr, words.stdout]


async def test_output_is_returned_and_logged(make_engine: MakeEngine) -> None:
    async with make_engine(prints) as engine:
        run = await engine.start(prints.bind(), id="prints")
        out, err, words = await run.result()
        trace = (await run.record()).trace
        assert out.startswith(f"to-out\nprints 00-{trace}-")
        assert (err, words) == ("to-err\n", "not $HOME\n")
        await engine.node.commit.flushed()
        logged = [line.message for _, line in await engine.store.logs(run.num)]
        assert {"to-out", "to-err", "not $HOME"} <= set(logged)


@flow
async def fails(check: bool) -> int:
    return (await shell("echo what went wrong >&2; exit 3", check=check)).code


async def test_a_code_is_an_error_unless_it_is_asked_for(make_engine: MakeEngine) -> None:
    async with make_engine(fails) as engine:
        assert await engine.run(fails.bind(check=False)) == 3
        with pytest.raises(RunFailed, match="ended with code 3: what went wrong") as failed:
            await engine.run(fails.bind(check=True))
        assert failed.value.error_type == "engine.shell.ShellError"


@flow
async def command(text: str, seconds: float | None = None) -> str:
    limit = None if seconds is None else timedelta(seconds=seconds)
    return (await shell(text, timeout=limit)).stdout


def alive(file: Path) -> bool:
    """True while the process whose number is in the file is there, and no zombie."""
    try:
        state = Path(f"/proc/{file.read_text(encoding='utf-8').strip()}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


BOTH = "sleep 600 & echo $! > {0}/child; echo $$ > {0}/leader; wait"
ONLY_THE_CHILD = "(trap '' TERM; sleep 600) & echo $! > {0}/child; echo $$ > {0}/leader"


@pytest.mark.parametrize("text", [BOTH, ONLY_THE_CHILD], ids=["both run", "the command has ended"])
async def test_cancel_stops_the_whole_group(make_engine: MakeEngine, tmp_path: Path, text: str) -> None:
    leader, child = tmp_path / "leader", tmp_path / "child"
    async with make_engine(command) as engine:
        run = await engine.start(command.bind(text.format(tmp_path)))
        await until(lambda: leader.exists() and leader.read_text(encoding="utf-8").strip())
        assert alive(child)
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
        await until(lambda: not alive(child) and not alive(leader))


async def test_a_timeout_stops_it_too(make_engine: MakeEngine, tmp_path: Path) -> None:
    async with make_engine(command) as engine:
        with pytest.raises(RunFailed, match="TimeoutError"):
            await engine.run(command.bind(BOTH.format(tmp_path), seconds=0.2))
        await until(lambda: not alive(tmp_path / "child"))


@flow
async def commands() -> str:
    first = await shell("echo ran >> ledger; echo first")
    await asyncio.to_thread(die_once)
    return first.stdout


FLOWS = (commands,)


def test_a_recorded_command_is_not_run_again(processes: Processes) -> None:
    assert processes.start("one_run", "tests.integration.test_shell", "commands").wait(60) == -9
    processes.finish(processes.start("one_run", "tests.integration.test_shell", "commands"))
    assert processes.ledger == ["ran", "result 'first\\n'"]


async def test_outside_an_engine_it_is_a_plain_command() -> None:
    assert (await shell("echo $HEADRACE_RUN_ID")).stdout == "outside\n"
    assert note is not None
    assert os.environ.get("HEADRACE_RUN_ID") is None
