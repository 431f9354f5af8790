"""Set-up says in one line what is missing, and does nothing when nothing is to be done."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.project.tree import ROOT


def set_up(venv: Path, python: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "set-up.sh"), str(venv), str(python)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def interpreter(folder: Path, version: str) -> Path:
    """A program that answers as a Python of this version does."""
    path = folder / "python-of-old"
    major, minor, _ = version.split(".")
    path.write_text(
        "#!/bin/sh\n"
        f'case "$2" in *python_version*) echo {version};; *version_info*) exit $(( {major}{minor} < 311 ));; esac\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def test_an_old_python_is_refused_with_the_way_out(tmp_path: Path) -> None:
    done = set_up(tmp_path / "venv", interpreter(tmp_path, "3.10.13"))
    assert done.returncode == 1
    assert "is Python 3.10.13, and Headrace needs 3.11 or later" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    done = set_up(tmp_path / "venv", "no-such-python")
    assert done.returncode == 1
    assert "there is no 'no-such-python' here" in done.stderr


def test_help_lists_every_public_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "check", "bench", "services", "docs-check", "clean"):
        assert f"make {target} " in shown


def newer(folder: Path, *, own_minor: int) -> str:
    """What the script finds on a machine where `folder` is all there is, seen from a Python 3.`own_minor`."""
    own = folder / "own"
    own.write_text(f"#!/bin/sh\necho {own_minor}\n", encoding="utf-8")
    own.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}
    command = [str(ROOT / "scripts" / "newer-python.sh"), str(own)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_newest_python_that_starts_is_found(tmp_path: Path) -> None:
    answers = {
        "python3.20": "exit 127",
        "python3.19": 'echo "19 1 /opt/nineteen"',
        "python3.18": 'echo "18 4 /opt/eighteen"',
    }
    for name, answer in answers.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    assert newer(tmp_path, own_minor=11) == "/opt/nineteen\n"
    assert newer(tmp_path, own_minor=18) == "/opt/nineteen\n"
    assert newer(tmp_path, own_minor=19) == ""
