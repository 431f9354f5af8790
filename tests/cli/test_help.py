"""The command itself: help, version, completion, and what it costs to ask."""

from __future__ import annotations

import re
import resource
import subprocess
import sys

import pytest

from engine.cli.exits import MEANING, Exit
from tests.cli.conftest import Headrace
from tests.support.command import ROOT

COMMANDS = (
    "run", "serve", "start", "runs", "show", "logs", "cancel", "signal", "rerun", "doctor", "upgrade-check", "init",
    "prune", "completion",
)  # fmt: skip


def test_help_names_every_command_and_exit_code(headrace: Headrace) -> None:
    text = headrace("--help").out
    assert [name for name in COMMANDS if not re.search(rf"^  {name}  ", text, re.MULTILINE)] == []
    assert [
        code for code in Exit if not re.search(rf"^ +{code.value}  {re.escape(MEANING[code])}$", text, re.MULTILINE)
    ] == []
    assert "..." not in text.split("Commands:")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(headrace: Headrace, command: str) -> None:
    assert "Usage: headrace " + command in headrace(command, "--help").out


def test_exit_codes_are_documented() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert [code for code in Exit if f"| {code.value} |" not in page] == []
    assert [name for name in COMMANDS if f"headrace {name}" not in page] == []


def test_help_costs_little(headrace: Headrace) -> None:
    """A bound with room for a slow machine: the figure itself is in `make bench`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    headrace("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_commands_that_only_list_load_no_exporter_and_no_flow_machinery(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello")
    code = (
        "import sys\nsys.argv = ['headrace', 'runs']\nfrom engine.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    print([n for n in ('opentelemetry', 'httpx', 'obstore', 'uvloop', 'rich') if n in sys.modules], end.code)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=headrace.folder,
        env=headrace.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines()[-1] == "[] 0"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(headrace: Headrace, shell: str) -> None:
    assert "_HEADRACE_COMPLETE" in headrace("completion", shell).out


def test_completion_of_commands_and_run_ids(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "some-run")
    commands = headrace(_HEADRACE_COMPLETE="complete_bash", COMP_CWORD="1", COMP_WORDS="headrace ru")
    assert commands.out.split() == ["run", "runs"]
    ids = headrace(_HEADRACE_COMPLETE="complete_bash", COMP_CWORD="2", COMP_WORDS="headrace show so")
    assert ids.out.split() == ["some-run"]


def test_version(headrace: Headrace) -> None:
    assert headrace("--version").out.startswith("headrace")
