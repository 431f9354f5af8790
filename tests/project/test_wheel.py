"""What people install is what we test: the wheel has every package and its data, and starts in a fresh environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.project.tree import ROOT, files

PACKAGES = {"engine", "connectors", "observability"}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, ROOT, cwd=folder)
    [built] = folder.glob("headrace-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with nothing in it but the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    options = ("--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=folder)
    return folder


def test_ships_the_three_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES


def test_ships_statements_and_type_markers(wheel: Path) -> None:
    shipped = set(zipfile.ZipFile(wheel).namelist())
    data = {
        str(path.relative_to(ROOT))
        for path in files()
        if path.suffix in {".sql", ".json", ".html"} and path.relative_to(ROOT).parts[0] in PACKAGES
    }
    assert any(name.endswith(".sql") for name in data)
    assert data <= shipped
    assert {f"{package}/py.typed" for package in PACKAGES} <= shipped


def test_starts_in_a_fresh_environment(installed: Path) -> None:
    # Dependencies come from this environment by path; the checkout does not, as .pth files are not read from there.
    dependencies = {"PYTHONPATH": sysconfig.get_path("purelib")}
    python = installed / "bin" / "python"
    where = run(python, "-c", "import engine; print(engine.__file__)", cwd=installed, **dependencies)
    assert Path(where.strip()).is_relative_to(installed)
    assert "upgrade-check" in run(installed / "bin" / "headrace", "--help", cwd=installed, **dependencies)


def test_runs_a_flow_in_a_fresh_environment(installed: Path, tmp_path: Path) -> None:
    dependencies = {"PYTHONPATH": sysconfig.get_path("purelib")}
    (tmp_path / "hello.py").write_text(
        "from engine import flow, task\n\n"
        "@task\nasync def greet(name: str) -> str:\n    return f'hello {name}'\n\n"
        "@flow\nasync def hello(name: str = 'wheel') -> str:\n    return await greet(name)\n",
        encoding="utf-8",
    )
    assert "hello wheel" in run(installed / "bin" / "headrace", "run", "hello.py", cwd=tmp_path, **dependencies)
