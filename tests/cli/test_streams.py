"""Streams that are closed, full or cut off, and a folder that has gone: told where somebody listens, never a crash."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.cli.conftest import Headrace

GREETING = '"Hello, world!"\n'

NEW = "run flows_here.py:hello --new"


@dataclass(frozen=True)
class Shell:
    """A shell that knows the command as `headrace`."""

    headrace: Headrace

    def __call__(self, line: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a line; with `pipefail`, the code of the first command that failed."""
        script = f'set -o pipefail; headrace() {{ "{sys.executable}" -m engine.cli "$@"; }}; {line}'
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.headrace.folder, env=self.headrace.environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "This is a bug" not in done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def shell(headrace: Headrace) -> Shell:
    headrace("run", "flows_here.py:hello", "--id", "known")
    return Shell(headrace)


@pytest.mark.parametrize(
    "line", ["runs | head -c0", "show known | head -1", "runs --json | head -1", "--help | head -1"]
)
def test_a_reader_that_has_seen_enough_is_no_failure(shell: Shell, line: str) -> None:
    code, _, err = shell(f"headrace {line}")
    assert (code, err) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_lead_nowhere(shell: Shell, closed: str) -> None:
    code, out, _ = shell(f"headrace {NEW} {closed}")
    assert (code, out) == (0, "" if ">&-" in closed else GREETING)
    assert len(shell.headrace("runs", "--json").lines) == 2, "the run is in the store, and nothing else is"


@pytest.mark.parametrize("line", [NEW, "runs", "runs --json", "doctor", "--help"])
def test_output_that_nobody_can_take_is_told(shell: Shell, line: str) -> None:
    code, _, err = shell(f"headrace {line} >/dev/full")
    assert code == 2
    assert err.endswith("error: the output cannot be written: No space left on device\n")


def test_a_log_that_is_full_stops_no_run(shell: Shell) -> None:
    assert shell(f"headrace {NEW} 2>/dev/full") == (0, GREETING, "")


@pytest.mark.parametrize("line", ["run '{folder}/flows_here.py:hello'", "doctor", "runs"])
def test_a_current_folder_that_has_gone(shell: Shell, line: str) -> None:
    line = line.format(folder=shell.headrace.folder)
    code, _, err = shell(f"unset HEADRACE_STORE; mkdir gone; cd gone; rmdir ../gone; headrace {line}")
    assert code == 2
    assert "error: the current folder does not exist any more" in err


def test_two_at_once_under_one_id_are_one_run(shell: Shell) -> None:
    run = "headrace run flows_here.py:steps n=50 --id both"
    code, out, err = shell(f"{run} & first=$!; {run} & second=$!; wait $first && wait $second")
    assert code == 0, err
    assert [json.loads(line) for line in out.splitlines()] == [[*range(50)]] * 2
    assert sorted(shell.headrace.ledger()) == sorted(["greet world", *(f"step {number}" for number in range(50))])
