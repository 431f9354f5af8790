"""Right uses pass both type checkers; every wrong use is an error, on its own line and nowhere else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.tree import ROOT

TYPING = ROOT / "tests" / "typing"
MARK = re.compile(r"# error(?:: (\w+))?$")


def marked(path: Path, checker: str) -> set[int]:
    """The lines that this checker must find an error in."""
    lines: set[int] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        mark = MARK.search(line)
        if mark and mark[1] in {None, checker}:
            lines.add(number)
    return lines


def mypy(path: Path) -> dict[int, str]:
    command = [sys.executable, "-m", "mypy", "--follow-imports", "silent", "--output", "json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {error["line"]: error["message"] for error in found if error["severity"] == "error"}


def pyright(path: Path, folder: Path) -> dict[int, str]:
    shutil.copy(path, folder)  # pyright checks only what lies beside its settings
    project = folder / "pyrightconfig.json"
    settings = {
        "include": [path.name],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
    }
    # An expression that is only there to be checked is no mistake here.
    settings |= {"reportUnusedExpression": "none", "reportUnusedVariable": "none", "reportUnusedCoroutine": "none"}
    project.write_text(json.dumps(settings), encoding="utf-8")
    options = ("--project", str(project), "--pythonpath", sys.executable, "--outputjson")
    done = subprocess.run([sys.executable, "-m", "pyright", *options], capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    errors = [each for each in report["generalDiagnostics"] if each["severity"] == "error"]
    return {error["range"]["start"]["line"] + 1: error["message"] for error in errors}


def test_mypy_accepts_right_uses() -> None:
    assert mypy(TYPING / "right_uses.py") == {}


def test_pyright_accepts_right_uses(tmp_path: Path) -> None:
    assert pyright(TYPING / "right_uses.py", tmp_path) == {}


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_wrong_uses_are_errors(checker: str, tmp_path: Path) -> None:
    path = TYPING / "wrong_uses.py"
    found = mypy(path) if checker == "mypy" else pyright(path, tmp_path)
    expected = marked(path, checker)
    assert len(expected) > 40
    missed = sorted(expected - found.keys())
    surprising = {line: message for line, message in found.items() if line not in expected}
    assert (missed, surprising) == ([], {})
