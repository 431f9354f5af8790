"""docs/crashes.md, row by row: a process dies by SIGKILL in the middle of a run, another one takes the run up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.tree import ROOT

PROGRAM = Path(__file__).with_name("crash_program.py")


class Story:
    """A run that was killed once and resumed: what it said at the end, and what it did in both lives."""

    def __init__(self, folder: Path, flow: str) -> None:
        killed = self._live(folder, flow)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        self.second = self._live(folder, flow)
        self.lines = (folder / "ledger").read_text(encoding="utf-8").splitlines()

    @staticmethod
    def _live(folder: Path, flow: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROGRAM), "sqlite:///state.db", flow]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def result(self) -> str:
        assert self.second.returncode == 0, self.second.stderr
        return self.second.stdout.strip()

    def of(self, word: str) -> list[str]:
        """What followed this word in the ledger, each time."""
        return [line.removeprefix(word).strip() for line in self.lines if line.split()[0] == word]


def test_a_recorded_result_is_not_run_again_and_what_was_in_flight_is(tmp_path: Path) -> None:
    story = Story(tmp_path, "recorded")
    assert story.result == "ONE"
    assert story.of("done") == ["one"]
    first, second = (line.split() for line in story.of("dies"))
    assert first[1] == second[1], "the idempotency_key is the same"


def test_the_flows_own_code_runs_again(tmp_path: Path) -> None:
    assert len(Story(tmp_path, "recorded").of("flow")) == 2


def test_a_recorded_failure_is_the_same_exception(tmp_path: Path) -> None:
    story = Story(tmp_path, "failed")
    assert story.result == "ValueError('no such customer', 7)"
    assert len(story.of("raises")) == 1


def test_failed_attempts_count(tmp_path: Path) -> None:
    story = Story(tmp_path, "retried")
    assert story.result == "3"
    assert story.of("attempt") == ["1", "2", "2", "3"], "the one in flight is tried again, the failed one is not"


def test_recorded_values_are_the_same(tmp_path: Path) -> None:
    story = Story(tmp_path, "values")
    assert story.result == "True"
    first, second = story.of("values")
    assert first == second


def test_a_child_run_is_found_again(tmp_path: Path) -> None:
    story = Story(tmp_path, "parent")
    assert story.result == "child"
    assert len(story.of("child")) == 2
    assert len(set(story.of("child"))) == 1


def test_ask_tells_the_flow(tmp_path: Path) -> None:
    story = Story(tmp_path, "asked")
    assert story.result == "unknown"
    assert len(story.of("launch")) == 1


def test_fail_fails_the_run(tmp_path: Path) -> None:
    story = Story(tmp_path, "failing")
    assert story.second.returncode == 1
    assert "RunFailed" in story.second.stderr
    assert len(story.of("wire")) == 1


@pytest.mark.parametrize("word", ["on_unknown", "idempotency_key", "pure=True", "wait_for"])
def test_the_page_names_what_is_tested_here(word: str) -> None:
    assert word in (ROOT / "docs" / "crashes.md").read_text(encoding="utf-8")
